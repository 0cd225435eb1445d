"""The MQTT side of the contract as an AsyncAPI 3.0 document, made from the kinds' declarations."""

import json
from typing import Any

from devices.contract import Kind, Stream
from devices.flaws import REASONS
from devices.kinds import kinds
from devices.topics import ROOT

Json = dict[str, Any]

VERSION = "1.0.0"

_CITY = {"description": "division code of the city, such as 310000"}
_DEVICE = {"description": "device id: 1–128 characters without + # /, control characters, or blanks at its ends"}

_META: Json = {
    "type": "object",
    "required": ["area"],
    "properties": {
        "area": {"type": "string", "description": "code of the street, district or city the device stands in"},
        "location": {
            "type": "object",
            "required": ["type", "coordinates"],
            "properties": {
                "type": {"const": "Point"},
                "coordinates": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3},
            },
            "description": "GeoJSON Point, WGS84, longitude first",
        },
        "name": {"type": "string", "maxLength": 256},
        "attributes": {
            "type": "object",
            "description": "at most 16 KiB of JSON; whatever else is in it is kept",
            "properties": {
                "reportingInterval": {
                    "type": "number",
                    "minimum": 0.001,
                    "maximum": 31_536_000,
                    "x-unit": "s",
                    "description": "seconds between two reports; after three of them in silence the device is stale",
                },
                "measures": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "fields the device is equipped with; default: all of its kind",
                },
                "retired": {"type": "boolean", "description": "taken down: nobody expects it any more"},
                "gateway": {"type": "string", "description": "id of the gateway that may speak for the device"},
                "watermark": {
                    "anyOf": [{"type": "boolean"}, {"$ref": "#/components/schemas/counting"}],
                    "description": "whether the device wants to read back what is committed of its numbered readings",
                },
            },
        },
    },
}
_COUNTING: Json = {
    "type": "object",
    "properties": {
        "from": {"type": "integer", "minimum": 0, "default": 0, "description": "first number that matters"},
        "since": {
            "type": "string",
            "format": "date-time",
            "description": "when the device began to count anew; what was observed earlier belongs to an older count",
        },
    },
}
_WATERMARK: Json = {
    "type": "object",
    "description": "what is committed of a device's numbered readings: stored, known as duplicate, or in the rejects",
    "required": ["stream", "committed", "highest", "gaps", "at"],
    "properties": {
        "stream": {"type": "string"},
        "committed": {
            "type": "integer",
            "minimum": -1,
            "description": "every number up to and including this one is committed; -1 = none",
        },
        "highest": {"type": "integer", "minimum": -1, "description": "highest committed number"},
        "gaps": {
            "type": "array",
            "maxItems": 100,
            "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
            "description": "first and last number of each missing range; up to highest, what lies in none is committed",
        },
        "since": {"type": "string", "format": "date-time", "description": "as the birth said it"},
        "at": {"type": "string", "format": "date-time"},
    },
}
_STATUS: Json = {"enum": ["online", "offline"]}
_ERROR: Json = {
    "type": "object",
    "description": "why a message was rejected; goes to its MQTT 5 response topic where it has one",
    "properties": {
        "reason": {"enum": [*REASONS]},
        "detail": {"type": "string", "description": "field, value and what would be right"},
        "stream": {"type": "string"},
        "device": {"type": "string"},
        "topic": {"type": "string"},
        "receivedAt": {"type": "string", "format": "date-time"},
        "item": {"type": "integer", "description": "place in the pack, from 0"},
        "payload": {"type": "string", "description": "its beginning"},
    },
}
_VITALS: Json = {
    "type": "object",
    "description": "an area's vital signs: composite, domain indices and indicators, as GET /v1/areas/{code}/vitals",
    "required": ["area", "level", "name", "tick", "at", "methodVersion", "devices", "composite", "domains"],
    "properties": {
        "area": {"type": "string"},
        "level": {"enum": ["city", "district", "street"]},
        "name": {"type": "object", "properties": {"zh": {"type": "string"}, "en": {"type": "string"}}},
        "tick": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "methodVersion": {"type": "string"},
        "devices": {"type": "object", "description": "by kind: how many are expected, and how many report"},
        "composite": {"type": "object"},
        "domains": {"type": "object"},
    },
}
_TICK: Json = {
    "type": "object",
    "description": "closes a tick: published after the vitals of all areas",
    "required": ["tick", "at", "methodVersion", "pipeline", "alarms"],
    "properties": {
        "tick": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "methodVersion": {"type": "string"},
        "pipeline": {"type": "object"},
        "alarms": {"type": "array", "items": {"$ref": "#/components/schemas/incident"}, "description": "active ones"},
    },
}
_INCIDENT: Json = {
    "type": "object",
    "description": "what may cost readings, as the pipeline says of itself",
    "required": ["id", "severity", "state", "since", "clearedAt", "count", "text", "detail"],
    "properties": {
        "id": {"type": "string", "description": "such as database_away"},
        "severity": {"enum": ["CRITICAL", "MAJOR", "MINOR", "WARNING"]},
        "state": {"enum": ["ACTIVE_UNACK", "CLEARED_UNACK"]},
        "since": {"type": "string", "format": "date-time"},
        "clearedAt": {"type": ["string", "null"], "format": "date-time"},
        "count": {"type": "integer", "description": "of what happens once: how often since the pipeline began"},
        "text": {"type": "object", "properties": {"zh": {"type": "string"}, "en": {"type": "string"}}},
        "detail": {"type": ["string", "null"], "description": "of what lasts: its reason"},
    },
}


def document() -> Json:
    """The AsyncAPI document. Actions are those of cityvitals: it receives what devices send."""
    channels: Json = {}
    operations: Json = {}
    schemas: Json = {
        "meta": _META,
        "counting": _COUNTING,
        "watermark": _WATERMARK,
        "status": _STATUS,
        "error": _ERROR,
        "vitals": _VITALS,
        "tick": _TICK,
        "incident": _INCIDENT,
    }
    for kind in kinds().values():
        for stream in kind.streams:
            schemas[stream.name] = stream.json_schema()
            channels[stream.name] = _reading_channel(kind, stream)
            operations[f"receive_{stream.name}"] = _operation("receive", stream.name, retained=False)
    for name, (address, summary, action, retained) in _OTHERS.items():
        schema = name.removeprefix("event_")
        channels[name] = _channel(address, summary, name, {"$ref": f"#/components/schemas/{schema}"})
        operations[f"{action}_{name}"] = _operation(action, name, retained=retained)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "cityvitals",
            "version": VERSION,
            "description": "Readings of a city's sensors upwards, vital signs of its areas downwards. QoS 1; a message "
            "is acknowledged to the broker when every reading in it is stored, known as a duplicate, or rejected.",
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {"host": "localhost:1883", "protocol": "mqtt", "protocolVersion": "5"}},
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas},
    }


def asyncapi() -> str:
    """The document as JSON text."""
    return json.dumps(document(), ensure_ascii=False, indent=2)


_OTHERS: dict[str, tuple[str, str, str, bool]] = {
    "meta": ("{kind}/{device}/meta", "Birth of a device: what it is, where it stands", "receive", True),
    "status": ("{kind}/{device}/status", "Whether a device is connected; its last will", "receive", True),
    "error": ("{kind}/{device}/err", "Why a message of a device was rejected", "send", False),
    "watermark": ("{kind}/{device}/ack", "What is committed of a device's telemetry, if it asks", "send", True),
    "event_watermark": ("{kind}/{device}/ack/{event}", "The same of an event's stream", "send", True),
    "vitals": ("out/{area}", "Vital signs of an area, once a second", "send", True),
    "tick": ("out/tick", "The end of a tick and the state of the pipeline", "send", True),
    "incident": ("out/incident/{incident}", "An alarm of the system about itself, in its latest state", "send", True),
}


def _reading_channel(kind: Kind, stream: Stream) -> Json:
    rest = "tele" if not stream.is_event else f"event/{stream.name.removeprefix(f'{kind.id}_')}"
    reading = {"$ref": f"#/components/schemas/{stream.name}"}
    pack = {
        "type": "array",
        "items": reading,
        "minItems": 1,
        "description": "a pack; in one of a gateway each reading names its `device`",
    }
    payload = {
        "oneOf": [reading, pack],
        "description": "one reading, or a pack of them; unknown fields are ignored and counted",
    }
    summary = (stream.model.__doc__ or stream.name).strip().splitlines()[0]
    return _channel(f"{kind.id}/{{device}}/{rest}", summary, stream.name, payload)


def _channel(address: str, summary: str, message: str, payload: Json) -> Json:
    parameters: Json = {"city": _CITY}
    if "{device}" in address:
        parameters["device"] = _DEVICE
    if "{kind}" in address:
        parameters["kind"] = {"description": "kind of the device", "enum": list(kinds())}
    if "{event}" in address:
        parameters["event"] = {"description": "type of the event, such as arrival"}
    if "{incident}" in address:
        parameters["incident"] = {"description": "id of the alarm, such as database_away"}
    if "{area}" in address:
        parameters["area"] = {"description": "code of a street, district or the city"}
    return {
        "address": f"{ROOT}/{{city}}/{address}",
        "summary": summary,
        "parameters": parameters,
        "messages": {message: {"contentType": "application/json", "payload": payload}},
    }


def _operation(action: str, channel: str, *, retained: bool) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{channel}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": retained}},
    }
