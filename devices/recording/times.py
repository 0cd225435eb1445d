"""Reads the times of a recording: ISO, patterns or epochs, in a zone, through the hours that clocks skip or repeat.

Local times that exist twice (autumn) are told apart by the order of the file: a device's clock that steps back,
or stands still after such a step, is in the second pass. Local times that do not exist (spring) are read with the
offset before the jump, so 02:30 becomes 03:30; or they are refused, as ``trace.toml`` says.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from devices.recording.format import TimeRules
from devices.units import EPOCH, MICROSECOND

_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}
_UTC = ZoneInfo("UTC")
_YEARS = (1900, 2200)


class TimeError(ValueError):
    """A text is not a time as ``trace.toml`` describes it."""


@dataclass
class TimeReader:
    """Reads one column's texts, in the order of the file, into µs since 1970."""

    rules: TimeRules
    _last: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._zone: tzinfo | None = ZoneInfo(self.rules.zone) if self.rules.zone else None

    def read(self, text: str, device: str) -> int:
        """Raises TimeError saying what the text is and what it should be."""
        text = text.strip()
        for form in self.rules.format:
            if form in _EPOCHS:
                micros = _epoch(text, _EPOCHS[form])
                if micros is not None:
                    return micros
                continue
            try:
                moment = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007 - the zone is looked at below
            except ValueError:
                continue
            return self._micros(moment, text, device)
        raise TimeError(f"time is {text!r}, must be {' or '.join(self.rules.format)}")

    def _micros(self, moment: datetime, text: str, device: str) -> int:
        if not _YEARS[0] <= moment.year <= _YEARS[1]:
            raise TimeError(f"time is {text!r}, must be in the years {_YEARS[0]}–{_YEARS[1]}")
        if moment.tzinfo is None:
            moment = self._placed(moment, text, device)
        return (moment - EPOCH) // MICROSECOND

    def _placed(self, local: datetime, text: str, device: str) -> datetime:
        """The moment a clock of the trace's zone showed ``local``."""
        if self._zone is None:
            raise TimeError(f"time is {text!r}, without an offset: time.zone must say in which zone")
        first, second = local.replace(tzinfo=self._zone), local.replace(tzinfo=self._zone, fold=1)
        before, after = first.utcoffset(), second.utcoffset()
        assert before is not None, "a zone has offsets"
        assert after is not None, "a zone has offsets"
        previous, self._last[device] = self._last.get(device), local
        if before == after:
            return first
        if after > before:  # the clock jumped over this time
            if self.rules.nonexistent == "skip":
                raise TimeError(f"time is {text!r}, which no clock of {self.rules.zone} ever showed")
            return (local - before).replace(tzinfo=_UTC)
        if self.rules.ambiguous == "order":
            repeated = self._in_second_pass(local, previous, before - after)
        else:
            repeated = self.rules.ambiguous == "later"
        if repeated:
            self._last[device] = local.replace(fold=1)
        return (local - (after if repeated else before)).replace(tzinfo=_UTC)

    @staticmethod
    def _in_second_pass(local: datetime, previous: datetime | None, repeated: timedelta) -> bool:
        """Whether a repeated hour shows for the second time, going by the device's time just before."""
        if previous is None or local - previous > repeated:
            return False
        return previous.fold == 1 or local < previous.replace(fold=0)


def _epoch(text: str, micros: int) -> int | None:
    try:
        value = Decimal(text) * micros
        return int(value) if value.is_finite() and abs(value) < 10**16 else None
    except InvalidOperation:
        return None
