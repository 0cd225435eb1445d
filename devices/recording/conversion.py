"""Numbers as recordings write them, and the conversion of named units into those of the contract. Pure.

A converted value is ``(value + before) · factor`` in double precision; where the factor is 1/n, ``… / n``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch
_PER = re.compile(r"(Wh|kWh|MWh) per (?:(\d+) ?)?(s|min|h|second|minute|hour)s?").fullmatch


class UnitError(ValueError):
    """A unit is not known, or measures something else than the field."""


# name: (what it measures, factor to that quantity's base, added before the factor)
_UNITS: dict[str, tuple[str, Fraction, Fraction]] = {}


def _define(quantity: str, units: dict[str, str | int]) -> None:
    for name, factor in units.items():
        _UNITS[name] = (quantity, Fraction(factor), Fraction(0))


_define("speed", {"m/s": 1, "km/h": "5/18", "mph": "0.44704", "kn": "1852/3600", "ft/s": "0.3048"})
_define("power", {"W": 1, "kW": 1000, "MW": 10**6, "GW": 10**9, "hp": "745.69987158227022"})
_define("energy", {"Wh": 1, "kWh": 1000, "MWh": 10**6, "GWh": 10**9})
_define("energy", {"J": "1/3600", "kJ": "1000/3600", "MJ": "1000000/3600", "GJ": "1000000000/3600"})
_define("mass", {"g": "1/1000", "kg": 1, "t": 1000, "lb": "0.45359237"})
_define("share", {"1": 1, "ratio": 1, "%": "1/100", "‰": "1/1000"})
_define("concentration", {"µg/m³": "1/1000", "ug/m3": "1/1000", "mg/m³": 1, "mg/m3": 1, "g/m³": 1000})
_define("length", {"m": 1, "cm": "1/100", "mm": "1/1000", "km": 1000, "ft": "0.3048", "mi": "1609.344"})
_define("pressure", {"Pa": 1, "hPa": 100, "kPa": 1000, "mbar": 100, "bar": 100_000})
_UNITS |= {
    "°C": ("temperature", Fraction(1), Fraction(0)),
    "°F": ("temperature", Fraction(5, 9), Fraction(-32)),
    "K": ("temperature", Fraction(1), Fraction(-27315, 100)),
}


@dataclass(frozen=True)
class Conversion:
    """``(value + before) · factor``, or ``/ divisor`` where that is the exact way to say it; then ``+ after``."""

    before: float = 0.0
    factor: float = 1.0
    divisor: float = 1.0
    after: float = 0.0

    @property
    def is_identity(self) -> bool:
        return self == Conversion()

    def __call__(self, value: float) -> float:
        if self.before:
            value = value + self.before
        if self.factor != 1.0:
            value = value * self.factor
        if self.divisor != 1.0:
            value = value / self.divisor
        return value + self.after if self.after else value


def conversion(unit: str, target: str) -> Conversion:
    """How values in ``unit`` become values in ``target``, a unit's symbol of the contract. Raises UnitError."""
    unit = unit.replace("\u03bc", "\u00b5")  # the Greek letter stands in for the micro sign
    if unit == target:
        return Conversion()
    per = _PER(unit)
    if per is not None:
        seconds = int(per[2] or 1) * {"s": 1, "m": 60, "h": 3600}[per[3][0]]
        if seconds == 0:
            raise UnitError(f"unit is {unit!r}, must not be per 0 {per[3]}")
        source = ("power", _UNITS[per[1]][1] * 3600 / seconds, Fraction(0))
    elif unit in _UNITS:
        source = _UNITS[unit]
    else:
        known = ", ".join(_UNITS)
        raise UnitError(f"unit is {unit!r}, must be one of {known}, or like 'kWh per hour', 'Wh per 15 min'")
    if target not in _UNITS or _UNITS[target][0] != source[0]:
        raise UnitError(f"unit is {unit!r} ({source[0]}), but the field is in {target or 'no unit'!r}")
    factor = source[1] / _UNITS[target][1]
    before = source[2]
    if factor.numerator == 1:
        return Conversion(before=float(before), divisor=float(factor.denominator))
    if unit == "°F":
        return Conversion(before=float(before), divisor=1.8)
    return Conversion(before=float(before), factor=float(factor))


def number_reader(decimal: str, thousands: str) -> Callable[[str], int | float | None]:
    """A function from a cell's text to its number, or None where it is none (``nan``, ``1_000`` and words are not)."""

    def read(text: str) -> int | float | None:
        text = text.strip()
        if thousands:
            text = text.replace(thousands, "").replace("\u00a0", "").replace("\u202f", "")
        if decimal != ".":
            if "." in text:
                return None
            text = text.replace(decimal, ".")
        match = _NUMBER(text)
        if match is None:
            return None
        if match[2] is None and match[3] is None and "." not in text:
            return int(text)
        return float(text)

    return read
