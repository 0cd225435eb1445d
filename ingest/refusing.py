"""Make rejections of deliveries and of single readings; pure."""

from devices.contract import Flaw
from devices.topics import Address
from devices.units import format_instant
from ingest.batch import Delivery, Rejection
from ingest.payload import ALONE

UNKNOWN_STREAM = "unknown"
MOST_REFUSED = 500
"""readings of one pack that are refused one by one; a pack with more of them is refused as a whole"""
_YEAR = 366 * 86_400 * 1_000_000


def refuse(
    delivery: Delivery,
    address: Address | None,
    flaw: Flaw,
    payload: bytes | None = None,
    item: int = ALONE,
    device: str | None = None,
) -> Rejection:
    """Make the rejection of a whole delivery, or of one reading of its pack."""
    stream = UNKNOWN_STREAM
    if address is not None:
        stream = address.stream.name if address.stream is not None else address.channel
    return Rejection(
        delivery=delivery,
        stream=stream,
        device=device or (address.device if address else None),
        reason=flaw.reason,
        detail=flaw.detail,
        payload=delivery.payload if payload is None else payload,
        item=item if item != ALONE else None,
    )


def refuse_whole(delivery: Delivery, address: Address, flaw: Flaw, rejections: list[Rejection]) -> list[Rejection]:
    """Rejections with one of a pack in which too much is wrong, in place of those of its readings; it can be replayed
    as a whole."""
    detail = f"more than {MOST_REFUSED} readings of the pack are refused, one of them because {flaw.detail}"
    others = [rejection for rejection in rejections if rejection.delivery is not delivery]
    return [*others, refuse(delivery, address, Flaw(flaw.reason, detail))]


def clock_flaw(observed: int, received: int) -> Flaw:
    """Explain a dateObserved (µs) that is too far from the time of receipt (µs)."""
    in_seconds = abs(observed * 1000 - received) < _YEAR
    hint = "; a number is taken for milliseconds, this one looks like seconds" if in_seconds else ""
    return Flaw(
        "clock",
        f"dateObserved is {format_instant(observed)}, must be between 90 days before and 5 minutes after "
        f"the time of receipt, {format_instant(received)}{hint}",
    )
