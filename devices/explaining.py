"""Judge one reading by its pydantic model and say what is wrong with it: slow and exact."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from devices.contract import Reading, Stream
from devices.fields import LARGEST_INTEGER
from devices.flaws import Flaw, shown

_RANGE_ERRORS = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
    "point_range",
    "string_too_long",
    "string_too_short",
}


_BASE_BOUNDS = {
    "dateObserved": "RFC 3339 with an offset such as +08:00 or Z, or epoch milliseconds as a number",
    "seq": "an integer 0–9007199254740991",
}


def explain(stream: Stream, value: Any) -> Flaw | None:
    """Validate one decoded JSON value as a reading of ``stream`` by its pydantic model; None if it is valid.

    This is the slow, exact judge: ingest's columnar validator must agree with it on every input.
    """
    if not isinstance(value, dict):
        return Flaw("schema", f"a reading is {shown(value)}, must be a JSON object")
    try:
        reading = stream.adapter.validate_python(_with_integers(stream, value))
    except ValidationError as error:
        return _flaw(stream, error)
    flaw = _storage_flaw(stream, reading)
    if flaw is None and all(getattr(reading, spec.name) is None for spec in stream.fields):
        names = ", ".join(spec.name for spec in stream.fields)
        return Flaw(
            "schema", f"the reading has no measurement, must have at least one of {names}{_astray(stream, value)}"
        )
    return flaw


def _astray(stream: Stream, value: dict[str, Any]) -> str:
    """What the reading has instead of measurements: most often one of them under another name."""
    others = [name for name in value if name not in stream.model.model_fields and name != "device"]
    return f"; {shown(others[0])} is none of them" if others else ""


def _with_integers(stream: Stream, value: dict[str, Any]) -> dict[str, Any]:
    """JSON has one number type: 3.0 is the integer 3."""
    changed = {
        spec.name: int(number)
        for spec in stream.fields
        if spec.type == "integer" and isinstance(number := value.get(spec.name), float) and number.is_integer()
    }
    return value | changed if changed else value


def _storage_flaw(stream: Stream, reading: Reading) -> Flaw | None:
    """What the model allows and the database cannot hold: NUL in a text, an integer of more than 64 bits."""
    for spec in stream.fields:
        value = getattr(reading, spec.name)
        if spec.type == "label" and value is not None and "\x00" in value:
            return Flaw("schema", f"{spec.name} is {shown(value)}, must be text without NUL characters")
        if spec.type == "integer" and value is not None and abs(value) > LARGEST_INTEGER:
            return Flaw("range", f"{spec.name} is {shown(value)}, must be an integer of 64 bits")
    return None


def _flaw(stream: Stream, error: ValidationError) -> Flaw:
    details, reasons = [], []
    for item in error.errors(include_url=False, include_context=False):
        name = str(item["loc"][0]) if item["loc"] else stream.name
        spec = stream.field_by_name.get(name)
        beyond_a_double = item["type"] == "float_type" and type(item["input"]) is int
        out_of_range = item["type"] in _RANGE_ERRORS or beyond_a_double
        bound = _BASE_BOUNDS.get(name) or (spec.bound if spec else "a JSON object")
        if spec and not out_of_range:
            bound = spec.type_in_words + bound
        bound = _more_closely(item, bound)
        if item["type"] == "missing" and len(item["loc"]) == 1:
            details.append(f"{name} is missing, must be {bound}")
        else:
            where = name + "".join(f"[{part}]" if isinstance(part, int) else "" for part in item["loc"][1:])
            details.append(f"{where} is {shown(item['input'])}, must be {bound}")
        reasons.append("range" if out_of_range else "schema")
    reason = "schema" if "schema" in reasons else "range"
    return Flaw(reason, "; ".join(dict.fromkeys(details)))


def _more_closely(item: Mapping[str, Any], bound: str) -> str:
    """What a value must be, where its own check says it more exactly: of a text with NUL, a day that does not exist,
    microseconds instead of milliseconds."""
    if item["type"] == "string_pattern_mismatch":
        return bound + (", without NUL" if "\x00" in item["input"] else ", of another form")
    right = str(item["msg"]).removeprefix("Value error, must be ")
    return right if item["type"] == "value_error" and right.startswith(("a date and time", "milliseconds")) else bound
