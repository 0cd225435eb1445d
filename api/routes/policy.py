"""The city's policy: weights, goalposts, coverage and windows, now and before, and what changed."""

from datetime import tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Query
from psycopg.rows import DictRow

from api import cursors, parameters
from api.parameters import Cursor, Limit
from api.policy_models import (
    Difference,
    DomainPolicy,
    IndicatorPolicy,
    PolicyChanges,
    PolicyChangeShape,
    PolicyDifference,
    PolicyShape,
)
from api.problems import invalid_parameter, not_found
from api.responses import problems
from api.services import Provided, Services
from api.store import policies
from api.store.policies import IN_FORCE, known
from api.times import from_micros, micros, rfc3339
from processing.policy import read_tables, table_differences

router = APIRouter(tags=["policy"])

_RIGHT = "a version of GET /v1/policy/changes, or `current`"
Version = Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$", examples=["1-5d41402a"])]


@router.get("/policy", summary="The policy in force", responses=problems(503))
async def current_policy(services: Provided) -> PolicyShape:
    return _shape(await _stored(services, IN_FORCE), services.city.timezone)


@router.get("/policy/changes", summary="Changes of policy, newest first", responses=problems(422, 503))
async def policy_changes(services: Provided, limit: Limit = 100, cursor: Cursor = None) -> PolicyChanges:
    """Each with the first tick it was in force from, and every number that changed."""
    position = parameters.position(cursor, int)
    before = None
    if position is not None:
        try:
            before = from_micros(int(position[0]))
        except ValueError as error:
            raise invalid_parameter("cursor", cursor, str(error)) from error
    rows = await policies.changes(services.database, before, limit + 1)
    shown, following = cursors.page(rows, limit, lambda row: [micros(row["at"])])
    return PolicyChanges(items=[_change(row, services.city.timezone) for row in shown], next=following)


@router.get("/policy/diff", summary="What differs between two policies", responses=problems(422, 503))
async def policy_difference(
    services: Provided,
    old: Annotated[Version, Query(alias="from", description="version, or `current`")],
    new: Annotated[Version, Query(alias="to", description="version, or `current`")] = IN_FORCE,
) -> PolicyDifference:
    rows = []
    for name, version in (("from", old), ("to", new)):
        row = await known(services.database, version)
        if row is None:
            raise invalid_parameter(name, version, f"must be {_RIGHT}")
        rows.append(row)
    one, other = rows
    return PolicyDifference(from_=one["version"], to=other["version"], changes=_differences(one["text"], other["text"]))


@router.get("/policy/{version}", summary="A policy, now or before", responses=problems(404, 503))
async def one_policy(services: Provided, version: str) -> PolicyShape:
    return _shape(await _stored(services, version), services.city.timezone)


async def _stored(services: Services, version: str) -> dict[str, Any]:
    """A policy (version, text, at) by its version; raises a 404 problem."""
    row = await known(services.database, version)
    if row is None:
        raise not_found("policy", version, _RIGHT)
    return row


def _shape(row: dict[str, Any], zone: tzinfo) -> PolicyShape:
    tables = read_tables(row["text"])
    return PolicyShape(
        version=row["version"],
        since=None if row["at"] is None else rfc3339(row["at"], zone),
        domains={name: DomainPolicy(**values) for name, values in tables["domains"].items()},
        indicators={name: IndicatorPolicy(**values) for name, values in tables["indicators"].items()},
        text=row["text"],
    )


def _change(row: DictRow, zone: tzinfo) -> PolicyChangeShape:
    return PolicyChangeShape(
        at=rfc3339(row["at"], zone),
        version=row["version"],
        before=row["before"],
        changes=[] if row["before"] is None else _differences(row["text_before"], row["text"]),
    )


def _differences(old: str, new: str) -> list[Difference]:
    found = table_differences(read_tables(old), read_tables(new))
    return [Difference(path=change.path, old=change.old, new=change.new) for change in found]
