"""What is missing of readings, so that whoever has them can send them again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from fastapi import APIRouter, Response

from api import cursors, gap_models, parameters
from api.parameters import Cursor, From, Limit, Text, To
from api.problems import invalid_parameter, not_found
from api.responses import json_response, problems
from api.services import Provided
from api.store import devices, gaps
from api.times import from_micros, micros, rfc3339
from devices.contract import Kind, Stream
from ingest.watermark import Watermark

router = APIRouter(tags=["gaps"])

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
LONGEST = timedelta(days=31)


@router.get(
    "/devices/{device}/gaps",
    summary="What is missing of a device's readings, newest first",
    response_class=Response,
    responses={200: {"model": gap_models.Gaps}, **problems(404, 422, 503)},
)
async def device_gaps(
    services: Provided,
    device: str,
    stream: Text = None,
    start: From = None,
    end: To = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Missing numbers where the device numbers its readings, else stretches of more than three reporting intervals
    without one; the last day unless ``from`` and ``to`` say otherwise, 31 days at most."""
    row = None if "\x00" in device else await devices.one(services.database, device)
    if row is None:
        raise not_found("device", device, "the id of a registered device")
    kind = services.kinds.get(row["kind"])
    chosen = _stream(kind, stream or row["kind"])
    now = datetime.now(UTC)
    span = _span(start, end, now, DAY, LONGEST)
    wanted = gaps.Wanted(
        device=row["key"],
        stream=chosen,
        registered=row["registered_at"],
        interval=None if kind is None or chosen.is_event else _interval(row["attributes"], kind),
        span=span,
        is_now=span.end == now,
        after=_place(cursor),
        limit=limit + 1,
    )
    found = await gaps.of_device(services.database, wanted)
    watermark = (await gaps.watermarks(services.database, row["key"])).get(chosen.name)
    shown, following = cursors.page(found, limit, lambda gap: [micros(gap["start"]), gap["place"]])
    zone = services.city.timezone
    return json_response(
        {
            "device": device,
            "stream": chosen.name,
            **_shown(span, zone),
            "missing": int(found[0]["total"]) if found else 0,
            "watermark": None if watermark is None else _confirmed(watermark),
            "items": [_gap(gap, zone) for gap in shown],
            "next": following,
        }
    )


@router.get(
    "/areas/{code}/gaps",
    summary="Devices of an area with anything missing, worst first",
    response_class=Response,
    responses={200: {"model": gap_models.AreaGaps}, **problems(404, 422, 503)},
)
async def area_gaps(
    services: Provided,
    code: str,
    kind: Text = None,
    start: From = None,
    end: To = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Of telemetry, in the last hour unless ``from`` and ``to`` say otherwise (a day at most); a page goes on with the
    span of the page before."""
    services.area(code)
    wanted = parameters.kind(services, kind)
    kinds = [k for k in services.kinds.values() if wanted in (None, k.id)]
    now = datetime.now(UTC)
    span = _span(start, end, now, HOUR, DAY)
    after = None
    if (parts := parameters.position(cursor, int, int, int, str)) is not None:
        begins, ends, missing, device = parts
        span = gaps.Span(_moment(cursor, int(begins)), _moment(cursor, int(ends)))
        after = int(missing), str(device)
    found = await gaps.of_areas(services.database, kinds, services.within(code), span, after, limit + 1)
    bounds = [micros(span.start), micros(span.end)]
    shown, following = cursors.page(found, limit, lambda row: [*bounds, row["missing"], row["id"]])
    zone = services.city.timezone
    items = [_device(row, zone) for row in shown]
    return json_response({"area": code, **_shown(span, zone), "items": items, "next": following})


def _stream(kind: Kind | None, name: str) -> Stream:
    streams = {stream.name: stream for stream in kind.streams} if kind is not None else {}
    if name not in streams:
        raise invalid_parameter("stream", name, f"must be a stream of the device's kind: {', '.join(streams)}")
    return streams[name]


def _span(
    start: datetime | None, end: datetime | None, now: datetime, usual: timedelta, longest: timedelta
) -> gaps.Span:
    parameters.ordered(start, end)
    upto = min(end or now, now)
    begin = start or upto - usual
    if not timedelta(0) < upto - begin <= longest:
        right = "a day" if longest == DAY else f"{longest / DAY:g} days"
        raise invalid_parameter("from", begin.isoformat(), f"must be before now and at most {right} before to")
    return gaps.Span(begin, upto)


def _interval(attributes: Mapping[str, Any], kind: Kind) -> float:
    """Seconds between two readings of a device."""
    own = attributes.get("reportingInterval")
    return float(own) if isinstance(own, int | float) and own > 0 else kind.reporting_interval


def _place(cursor: str | None) -> tuple[datetime, int] | None:
    parts = parameters.position(cursor, int, int)
    return None if parts is None else (_moment(cursor, int(parts[0])), int(parts[1]))


def _moment(cursor: str | None, value: int) -> datetime:
    try:
        return from_micros(value)
    except ValueError as error:
        raise invalid_parameter("cursor", cursor, str(error)) from error


def _shown(span: gaps.Span, zone: tzinfo) -> dict[str, str]:
    return {"from": rfc3339(span.start, zone), "to": rfc3339(span.end, zone)}


def _gap(row: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    return {
        "first": row["first"],
        "last": row["last"],
        "missing": row["missing"],
        "from": rfc3339(row["start"], zone),
        "to": rfc3339(row["stop"], zone),
        "open": row["open"],
    }


def _device(row: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    return {
        "device": row["id"],
        "area": row["area"],
        "stream": row["stream"],
        "missing": row["missing"],
        "last": None if row["last"] is None else rfc3339(row["last"], zone),
        "open": row["open"],
    }


def _confirmed(row: Mapping[str, Any]) -> dict[str, Any]:
    above = tuple(zip(row["above"][::2], row["above"][1::2], strict=True))
    since = None if row["since"] is None else micros(row["since"])
    described = Watermark(row["committed"], row["highest"], above, since).describe("", 0)
    return {key: described[key] for key in ("committed", "highest", "gaps", "since") if key in described}
