"""The tokens of JSON: blanks, strings without escapes, numbers. All return where the token ends, -1 for not known.

A number of m digits and the decimal exponent e is m·10^e. Up to 10^22 powers of ten are exact in a double, so that one
multiplication or division of an m below 2^53 is correctly rounded (W. D. Clinger, How to Read Floating Point Numbers
Accurately, 1990). For a longer m the quotient is corrected by its exact remainder (T. J. Dekker, A floating-point
technique for extending the available precision, 1971); where that leaves a doubt about the last bit, we do not know.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Text = NDArray[np.uint8]
Numbers = NDArray[np.float64]

inner: Any = njit(nogil=True, _nrt=False)  # type: ignore[call-overload]
"""for what other kernels call: arrays handed on are not counted, which would cost ten times what is done with a byte"""

MOST_DIGITS = 18
"""of a number, so that 64 bits hold it; a double never needs more than 17"""
MOST_EXACT = 2**53
_POWERS = np.array([float(10**e) for e in range(23)])
_SPLIT = 134_217_729.0
"""2^27 + 1: cuts a double into two halves whose products are exact"""


@inner
def byte(text: Text, at: int) -> Any:
    """The byte at a position; without a sign, so that it is not asked each time whether the position counts from the
    end."""
    return text[np.uint64(at)]


@inner
def skip_blank(text: Text, at: int) -> int:
    """The first position that is no white space."""
    while byte(text, at) == 32 or byte(text, at) == 10 or byte(text, at) == 13 or byte(text, at) == 9:
        at += 1
    return at


@inner
def string_end(text: Text, at: int) -> int:
    """Where the closing quote stands of a string that begins at ``at``; -1 for an escape or what is not UTF-8."""
    while True:
        here = byte(text, at)
        if here == 34:
            return at
        if here < 32 or here == 92:
            return -1
        if here < 128:
            at += 1
            continue
        size = _character(text, at)
        if size == 0:
            return -1
        at += size


@inner
def _character(text: Text, at: int) -> int:
    """Bytes of the character beyond ASCII at ``at``; 0 if it is none (RFC 3629, section 4)."""
    first, second = byte(text, at), byte(text, at + 1)
    if 0xC2 <= first <= 0xDF:
        return 2 if 0x80 <= second <= 0xBF else 0
    lowest = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
    highest = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
    if first < 0xE0 or first > 0xF4 or second < lowest or second > highest or byte(text, at + 2) & 0xC0 != 0x80:
        return 0
    if first < 0xF0:
        return 3
    return 4 if byte(text, at + 3) & 0xC0 == 0x80 else 0


@inner
def characters(text: Text, at: int, end: int) -> int:
    """How many characters some UTF-8 has."""
    count = 0
    for place in range(at, end):
        count += byte(text, place) & 0xC0 != 0x80
    return count


@inner
def says(text: Text, at: int, word: Text, start: int, stop: int) -> bool:
    """Whether ``word[start:stop]`` stands at ``at``."""
    for place in range(start, stop):  # noqa: SIM110 - compiled
        if byte(text, at + place - start) != byte(word, place):
            return False
    return True


@inner
def literal(text: Text, at: int) -> tuple[int, int]:
    """The end of true, false or null, and 1, 0 or -1 for them."""
    if _goes(text, at, 116, 114, 117, 101):
        return at + 4, 1
    if _goes(text, at, 110, 117, 108, 108):
        return at + 4, -1
    if byte(text, at) == 102 and _goes(text, at + 1, 97, 108, 115, 101):
        return at + 5, 0
    return -1, 0


@inner
def _goes(text: Text, at: int, one: int, two: int, three: int, four: int) -> bool:
    """Whether four bytes stand there."""
    begins: bool = byte(text, at) == one and byte(text, at + 1) == two
    return begins and byte(text, at + 2) == three and byte(text, at + 3) == four


@inner
def number(text: Text, at: int) -> tuple[int, bool, Any, float]:
    """The end of a number, whether it is written as an integer, that integer, and its value as a double."""
    unknown = -1, False, np.int64(0), 0.0
    negative = byte(text, at) == 45
    at += negative
    first = at
    mantissa: Any = np.int64(0)
    digits: Any = 0
    exponent: Any = 0
    while 48 <= byte(text, at) <= 57:
        mantissa = mantissa * 10 + (np.int64(byte(text, at)) - 48)
        digits += mantissa > 0
        if digits > MOST_DIGITS:
            return unknown
        at += 1
    if at == first or (byte(text, first) == 48 and at > first + 1):
        return unknown
    whole = True
    if byte(text, at) == 46:
        whole = False
        at += 1
        point = at
        while 48 <= byte(text, at) <= 57:
            mantissa = mantissa * 10 + (np.int64(byte(text, at)) - 48)
            digits += mantissa > 0
            if digits > MOST_DIGITS:
                return unknown
            at += 1
        if at == point:
            return unknown
        exponent = point - at
    if byte(text, at) == 101 or byte(text, at) == 69:
        whole = False
        at, power = _exponent(text, at + 1)
        if at < 0:
            return unknown
        exponent += power
    if whole and negative and mantissa == 0:  # -0: an integer for some, a double for others
        return unknown
    value = _scaled(mantissa, exponent)
    if np.isnan(value):
        return unknown
    return (at, whole, -mantissa, -value) if negative else (at, whole, mantissa, value)


@inner
def _exponent(text: Text, at: int) -> Any:
    """The end of an exponent that begins after its e, and the exponent."""
    negative = byte(text, at) == 45
    at += negative or byte(text, at) == 43
    first = at
    power: Any = 0
    while 48 <= byte(text, at) <= 57:
        power = power * 10 + (np.int64(byte(text, at)) - 48)
        at += 1
        if at - first > 3:
            return -1, 0
    if at == first:
        return -1, 0
    return at, -power if negative else power


@inner
def _scaled(mantissa: int, exponent: int) -> Any:
    """mantissa·10^exponent, correctly rounded; NaN where that is not known."""
    if exponent == 0 or mantissa == 0:
        return float(mantissa)
    if 0 < exponent < len(_POWERS) and mantissa <= MOST_EXACT:
        return float(mantissa) * _POWERS[exponent]
    if -len(_POWERS) < exponent < 0:
        return _quotient(mantissa, _POWERS[-exponent])
    return np.nan


@inner
def _quotient(mantissa: int, power: int) -> Any:
    near = float(mantissa)
    quotient = near / power
    if mantissa <= MOST_EXACT:
        return quotient
    product = quotient * power
    shifted = quotient * _SPLIT
    high = shifted - (shifted - quotient)
    low = quotient - high
    shifted = power * _SPLIT
    power_high = shifted - (shifted - power)
    power_low = power - power_high
    error = ((high * power_high - product) + high * power_low + low * power_high) + low * power_low
    remainder = (near - product) - error
    correction = (remainder + float(mantissa - np.int64(near))) / power
    result = quotient + correction
    left = correction - (result - quotient)
    return result if result + left * 1.0000000001 == result else np.nan
