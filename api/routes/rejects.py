"""Readings that were refused, and putting them through again."""

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from psycopg.rows import DictRow

from api import cursors, models, parameters
from api.parameters import Cursor, Limit, Text
from api.problems import invalid_parameter, not_found, unavailable
from api.responses import json_response, problems
from api.services import Provided, Services
from api.store import rejects
from api.times import rfc3339
from api.wire import reject_shape
from devices.flaws import REASONS

router = APIRouter(tags=["rejects"])

POLL_S = 0.1
RejectId = Annotated[int, Path(ge=1, lt=2**63)]


def _filter(
    reason: Text = None,
    device: Text = None,
    stream: Text = None,
    resolved: Annotated[bool | None, Query(description="put through since, or not")] = None,
) -> rejects.Filter:
    if reason is not None and reason not in REASONS:
        raise invalid_parameter("reason", reason, f"must be one of {', '.join(REASONS)}")
    return rejects.Filter(reason, device, stream, resolved)


Wanted = Annotated[rejects.Filter, Depends(_filter)]


@router.get(
    "/rejects",
    summary="Rejected readings, newest first",
    response_class=Response,
    responses={200: {"model": models.Page[models.Reject]}, **problems(422, 503)},
)
async def list_rejects(services: Provided, wanted: Wanted, limit: Limit = 100, cursor: Cursor = None) -> Response:
    before = parameters.position(cursor, int)
    rows = await rejects.listed(services.database, wanted, None if before is None else int(before[0]), limit + 1)
    shown, following = cursors.page(rows, limit, lambda row: [row["id"]])
    zone = services.city.timezone
    return json_response({"items": [reject_shape(row, zone) for row in shown], "next": following})


@router.get(
    "/rejects/{reject}",
    summary="One rejected reading",
    response_class=Response,
    responses={200: {"model": models.Reject}, **problems(404, 503)},
)
async def one_reject(services: Provided, reject: RejectId) -> Response:
    return json_response(reject_shape(await _existing(services, reject), services.city.timezone))


@router.post(
    "/rejects/replay", summary="Put all open rejects of a filter through again", responses=problems(403, 422, 503)
)
async def replay_rejects(
    services: Provided,
    wanted: Wanted,
    limit: Annotated[int, Query(ge=1, le=10_000, description="how many at most, oldest first")] = 1000,
) -> models.BulkReplay:
    """Waits a few seconds for the outcome; what is not decided by then counts as ``rejected`` here."""
    before = await rejects.open_versions(services.database, wanted, limit)
    if before:
        _check_pipeline(services)
        services.subscriber.replay(list(before))
    counts = await _settled(services, before)
    return models.BulkReplay(
        requested=len(before),
        stored=counts["stored"],
        duplicate=counts["duplicate"],
        rejected=counts["rejected"],
    )


@router.post(
    "/rejects/{reject}/replay", summary="Put one rejected reading through again", responses=problems(403, 404, 503)
)
async def replay_reject(services: Provided, reject: RejectId) -> models.ReplayOutcome:
    """Waits a few seconds for the outcome. ``rejected`` means that it is refused still; ``reason`` says why."""
    before = await _existing(services, reject)
    if before["resolved_at"] is None:
        _check_pipeline(services)
        services.subscriber.replay([reject])
    row = await _decided(services, before)
    resolved = row["resolved_at"]
    return models.ReplayOutcome(
        id=reject,
        outcome=row["resolution"] or "rejected",
        reason=row["reason"],
        detail=row["detail"],
        resolved_at=None if resolved is None else rfc3339(resolved, services.city.timezone),
    )


async def _existing(services: Services, reject: int) -> DictRow:
    row = await rejects.one(services.database, reject)
    if row is None:
        raise not_found("reject", str(reject), "an id of GET /v1/rejects")
    return row


def _check_pipeline(services: Services) -> None:
    if not services.subscriber.connected:
        raise unavailable("broker_away", "the broker is not connected, so nothing can be replayed now")


async def _decided(services: Services, before: DictRow) -> DictRow:
    """The row once the pipeline has written to it (resolved, or refused again), or as it is when the wait is over."""
    row, end = before, time.monotonic() + services.config.replay_wait
    while row["resolved_at"] is None and row["version"] == before["version"] and time.monotonic() < end:
        await asyncio.sleep(POLL_S)
        row = await _existing(services, before["id"])
    return row


async def _settled(services: Services, before: Mapping[int, str]) -> dict[str, int]:
    """Outcomes once all are decided, or as they are when the wait is over."""
    end = time.monotonic() + services.config.replay_wait
    while True:
        counts = await rejects.outcomes(services.database, before)
        if not counts["undecided"] or time.monotonic() > end:
            return counts
        await asyncio.sleep(2 * POLL_S)
