"""What the past would have looked like under another policy, or with other devices."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta, tzinfo

import numpy as np
from fastapi import APIRouter, Request, Response

from api import whatif_models as models
from api.parameters import INDICES
from api.problems import invalid
from api.responses import json_response, problems
from api.services import Provided, Services
from api.times import from_micros, micros, rfc3339
from api.whatif import REFUSALS, refusal
from devices.contract import shown
from devices.units import EPOCH
from processing import rescoring
from processing.policy import SHIPPED, differences
from processing.scoring import NO_DEVICES, REASONS, Values
from processing.whatif import Answer, Question

router = APIRouter(tags=["vitals"])

MOST_POINTS = 100_000
LONGEST = timedelta(days=31)
MINUTE = timedelta(minutes=1)


@router.post(
    "/whatif",
    summary="A past span under a changed policy, or with other devices",
    response_class=Response,
    responses={200: {"model": models.WhatIf}, **problems(403, 422, 429, 503)},
)
async def what_if(request: Request, services: Provided, body: models.Question) -> Response:
    """Both lines, as it was and as it would have been, for each area and index, with a summary of how they differ.

    `was` is what is stored: the newest final revision of each minute. `would` is made by the same engine. Where only
    weights and goalposts change the stored values are judged anew (`basis` is `vitals`, at most 31 days); a filter of
    devices, another window or another minimum coverage needs the stored readings (`readings`, at most a day).
    """
    question = _question(services, body)
    zone = services.city.timezone
    try:
        answer = await services.whatif.answer(request, question)
    except REFUSALS as error:
        raise invalid(refusal(error, lambda instant: rfc3339(from_micros(instant), zone))) from error
    if answer is None:
        return Response(status_code=503)  # nobody is there to read it
    indices = body.indices or rescoring.indices_of(answer.policy, question.tables)
    return json_response(_shape(answer, question, indices, zone).model_dump(by_alias=True))


def _question(services: Services, body: models.Question) -> Question:
    """Raises a 422 problem that names all that is wrong."""
    codes = [(code, "areas") for code in body.areas]
    for field in ("only", "exclude"):
        selection = getattr(body.devices, field, None)
        codes += [(code, f"devices.{field}.areas") for code in (selection.areas if selection else None) or []]
    wrong = [
        _wrong(field, code, "must be a code of GET /v1/areas") for code, field in codes if code not in services.city
    ]
    wrong += [
        _wrong("indices", index, f"must be one of {', '.join(INDICES)}")
        for index in body.indices or []
        if index not in INDICES
    ]
    if wrong := wrong or _wrong_span(body):
        raise invalid(wrong)
    return Question(
        areas=tuple(dict.fromkeys(body.areas)),
        first=micros(body.from_),
        last=micros(body.to),
        step=round(body.step / MINUTE) * micros(EPOCH + MINUTE),
        tables={"domains": body.policy.domains, "indicators": body.policy.indicators},
        choice=_choice(services, body.devices),
    )


def _wrong_span(body: models.Question) -> list[dict[str, str]]:
    if body.from_ > body.to:
        return [_wrong("from", body.from_.isoformat(), f"must not lie after to, {body.to.isoformat()}")]
    if body.to - body.from_ > LONGEST:
        return [_wrong("from", body.from_.isoformat(), f"must lie at most {LONGEST.days} days before to")]
    if body.step % MINUTE:
        return [_wrong("step", f"{body.step.total_seconds():g} s", "must be full minutes")]
    instants = (body.to - body.from_) // body.step + 1
    indices = len(body.indices or ()) or 1 + len(SHIPPED.domains) + len(body.policy.indicators)
    points = len(set(body.areas)) * indices * instants
    if points > MOST_POINTS:
        right = f"makes {points} points with these areas, indices and span; {MOST_POINTS} are the most"
        return [_wrong("step", f"{body.step.total_seconds():g} s", right)]
    return []


def _choice(services: Services, devices: models.Devices | None) -> rescoring.Choice | None:
    if devices is None or (devices.only is None and devices.exclude is None):
        return None

    def selection(shape: models.Selection | None) -> rescoring.Selection | None:
        if shape is None:
            return None
        areas = None if shape.areas is None else {within for code in shape.areas for within in services.within(code)}
        sets = (shape.ids, shape.kinds, areas)
        return rescoring.Selection(*(None if names is None else frozenset(names) for names in sets))

    return rescoring.Choice(only=selection(devices.only), exclude=selection(devices.exclude))


def _wrong(field: str, value: str, right: str) -> dict[str, str]:
    return {"in": "body", "field": field, "value": value, "detail": f"{field} is {shown(value)}, {right}"}


def _shape(answer: Answer, question: Question, indices: Sequence[str], zone: tzinfo) -> models.WhatIf:
    times = [rfc3339(from_micros(instant), zone) for instant in answer.past.instants]
    units = {row.id: row.unit for row in answer.policy.indicators}
    return models.WhatIf(
        from_=times[0],
        to=times[-1],
        step=question.step // 1_000_000,
        basis=answer.basis,
        method_version={"was": answer.base.version, "would": answer.policy.version},
        changes=[
            models.PolicyChange(path=c.path, old=c.old, new=c.new) for c in differences(answer.base, answer.policy)
        ],
        devices=models.DeviceCount(counted=answer.devices, registered=answer.all_devices),
        items=[
            _line(answer, place, area, index, units.get(index), times)
            for place, area in enumerate(answer.past.areas)
            for index in indices
        ],
    )


def _line(answer: Answer, place: int, area: str, index: str, unit: str | None, times: Sequence[str]) -> models.Line:
    span = slice(place * len(times), (place + 1) * len(times))
    known = answer.past.known[span].tolist()
    was, would = (_cut(lines.get(index), span, len(times)) for lines in (answer.past.indices, answer.would))
    measured = unit is not None
    before, after = _sides(was, measured=measured), _sides(would, measured=measured)
    points = [
        models.Point(at=at, was=old if there else None, would=new)
        for at, old, new, there in zip(times, before, after, known, strict=True)
    ]
    score = _span(rescoring.difference(was.score, would.score), times)
    value = _span(rescoring.difference(was.value, would.value), times) if measured else None
    return models.Line(area=area, index=index, unit=unit, score=score, value=value, points=points)


def _cut(values: Values | None, span: slice, count: int) -> Values:
    """An index of one area; one that nothing is stored of expects no devices."""
    if values is None:
        blank = np.full(count, np.nan)
        return Values(blank, blank, np.zeros(count), blank, np.full(count, NO_DEVICES, np.int8), blank)
    return Values(*(getattr(values, field.name)[span] for field in fields(values)))


def _sides(values: Values, *, measured: bool) -> list[models.Side]:
    numbers = zip(
        values.value.tolist(), values.score.tolist(), values.coverage.tolist(), values.reason.tolist(), strict=True
    )
    return [
        models.Side(
            value=_number(value) if measured else None,
            score=_number(score),
            coverage=round(coverage, 6),
            reason=REASONS[reason],
        )
        for value, score, coverage, reason in numbers
    ]


def _span(found: rescoring.Difference, times: Sequence[str]) -> models.Span:
    return models.Span(
        compared=found.compared,
        was=_number(found.was),
        would=_number(found.would),
        difference=_number(found.would - found.was),
        largest=_number(found.largest),
        largest_at=None if found.largest_at is None else times[found.largest_at],
        unknown_was=found.unknown_was,
        unknown_would=found.unknown_would,
    )


def _number(value: float) -> float | None:
    return None if value != value else value
