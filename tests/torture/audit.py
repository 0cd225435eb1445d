"""Hold the system's tables against the ledger kept outside: what is missing, what is there twice, what was invented.

Pure: everything that was read from the database, the ledger and the wire is an argument.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.small_city import SWAPPED

CLOCK_TOLERANCE = 240.0


@dataclass(frozen=True)
class Claim:
    """An entry of the outside ledger with what is known of the message it was in."""

    id: str
    fate: str
    reason: str | None
    stream: str
    value: str | None
    number: int
    sort: str
    attempts: int
    acked: float | None
    puback: int | None
    """reason code of the broker's PUBACK"""
    packets: int = 1
    """under how many packet ids the broker passed it to the pipeline"""
    delivered: int = 0
    pipeline_acked: int = 0
    last_seen: float = 0.0
    """on the wire to the pipeline"""


@dataclass(frozen=True)
class Row:
    """A stored reading."""

    id: str
    value: str
    received: float


@dataclass(frozen=True)
class Reject:
    """A kept reject, with the id found in its payload."""

    id: str
    reason: str
    received: float


@dataclass
class Verdict:
    """The outcome of a run; it passed when ``failures`` is empty."""

    failures: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lost_by_broker: list[Claim] = field(default_factory=list)

    def fail(self, message: str) -> None:
        self.failures.append(message)


@dataclass(frozen=True)
class Circumstances:
    """What the nemesis did that changes what must hold."""

    broker_losses: Sequence[float]
    """when (seconds since 1970) the broker was made to lose what it kept"""
    watched: bool
    """whether the wire to the pipeline was read"""
    began: float
    ended: float


def judge(claims: Sequence[Claim], rows: Sequence[Row], rejects: Sequence[Reject], around: Circumstances) -> Verdict:
    """Every acknowledged id is stored or rejected once, as it must be, and nothing is there that nobody sent."""
    verdict = Verdict()
    stored = Counter(row.id for row in rows)
    refused = Counter(reject.id for reject in rejects)
    values = {row.id: row for row in rows}
    reasons = {reject.id: reject for reject in rejects}
    swapped = _swapped(claims, values)
    stored_as = {c.value: c.id for c in claims if c.fate == "rejected" and c.value and c.reason == "clock"}
    for claim in claims:
        in_table = stored[_table_id(claim)]
        _judge_one(claim, in_table, refused[claim.id], values, reasons, swapped, around, verdict)
    known = {claim.id for claim in claims}
    for row_id in stored.keys() - known - stored_as.keys():
        verdict.fail(f"invented: {row_id} is stored and was never published")
    for reject_id in refused.keys() - known:
        verdict.fail(f"invented: {reject_id!r} was rejected and never published")
    verdict.counts["stored"] = sum(stored.values())
    verdict.counts["rejected"] = sum(refused.values())
    return verdict


def _table_id(claim: Claim) -> str:
    """Where it would be in the tables: what lies beyond the clock's gate has an identity of its own."""
    return claim.value if claim.reason == "clock" and claim.value else claim.id


def _swapped(claims: Sequence[Claim], values: Mapping[str, Row]) -> dict[str, str]:
    """Originals that their conflicting reading overtook while they were in the spool: original -> conflict."""
    return {
        claim.value: claim.id
        for claim in claims
        if claim.reason == "conflict" and claim.value and claim.value in values
        if values[claim.value].value == SWAPPED
    }


def _judge_one(
    claim: Claim,
    in_table: int,
    in_rejects: int,
    values: Mapping[str, Row],
    reasons: Mapping[str, Reject],
    swapped: Mapping[str, str],
    around: Circumstances,
    verdict: Verdict,
) -> None:
    if claim.reason == "conflict" and claim.value in swapped:
        in_table, expected = 1, "stored"
    elif claim.id in swapped or claim.reason == "conflict":
        in_table, expected = 0, "rejected"
    else:
        expected = claim.fate
    found = in_table + in_rejects
    if not found:
        _missing(claim, around, verdict)
        return
    if in_table and in_rejects and not (claim.packets > 1 and _clock_was_wrong(reasons.get(claim.id), around)):
        verdict.fail(f"twice: {describe(claim)} is stored and rejected")
    if in_table > 1 or in_rejects > _most_rejects(claim, around):
        verdict.fail(f"twice: {describe(claim)} is stored {in_table} and rejected {in_rejects} times")
    actual = "stored" if in_table else "rejected"
    witness = values.get(_table_id(claim)) if in_table else reasons.get(claim.id)
    if actual != expected and not _clock_was_wrong(witness, around):
        verdict.fail(f"wrong: {describe(claim)} is {actual}, must be {expected}")
    elif actual == "rejected" == expected and _reason_is_wrong(claim, reasons[claim.id], around):
        verdict.fail(f"wrong: {describe(claim)} was refused for {reasons[claim.id].reason}, must be {claim.reason}")
    elif actual == "stored" == expected == claim.fate and values[claim.id].value != claim.value:
        verdict.fail(f"wrong: {describe(claim)} holds {values[claim.id].value!r}, must hold {claim.value!r}")
    verdict.counts[f"{claim.sort} {actual}"] += 1


def _most_rejects(claim: Claim, around: Circumstances) -> int:
    """A publisher that heard no PUBACK publishes again: for the pipeline that is another message."""
    return max(1, claim.packets if around.watched else claim.attempts)


def _clock_was_wrong(witness: Row | Reject | None, around: Circumstances) -> bool:
    """Whether the pipeline's clock was far off when it received this: then its gate decided by that clock."""
    if witness is None:
        return False
    return not around.began - CLOCK_TOLERANCE < witness.received < around.ended + CLOCK_TOLERANCE


def _reason_is_wrong(claim: Claim, reject: Reject, around: Circumstances) -> bool:
    if claim.reason in (None, reject.reason):
        return False
    return not (reject.reason == "clock" and _clock_was_wrong(reject, around))


def _missing(claim: Claim, around: Circumstances, verdict: Verdict) -> None:
    if claim.pipeline_acked:
        verdict.fail(f"lost: {describe(claim)}; the pipeline acknowledged it")
    elif claim.sort == "watermarked":
        verdict.fail(f"lost: {describe(claim)}; its device asked for the commit watermark")
    elif claim.acked is None:
        verdict.counts["never acknowledged"] += 1
    elif claim.puback == 0x10:
        verdict.counts["broker had no subscriber"] += 1
        verdict.lost_by_broker.append(claim)
    elif any(claim.acked <= loss + 0.5 for loss in around.broker_losses):
        verdict.counts["lost by the broker"] += 1
        verdict.lost_by_broker.append(claim)
    else:
        verdict.fail(f"lost: {describe(claim)}")


def describe(claim: Claim) -> str:
    """An id, and where it was last seen."""
    seen = f"sent to the pipeline {claim.delivered} times, acknowledged by it {claim.pipeline_acked} times"
    at = f", last at {claim.last_seen:.3f}" if claim.last_seen else ""
    acked = "no PUBACK" if claim.acked is None else f"PUBACK at {claim.acked:.3f} ({claim.puback})"
    return f"{claim.id} ({claim.sort}, message {claim.number}, {claim.attempts} attempts, {acked}; {seen}{at})"
