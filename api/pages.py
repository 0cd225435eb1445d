"""Vitals documents as the bytes they came in, cut where their VALUEs stand: what changed between two is found and sent
without decoding either. Pure.

    frame      {"area": …, "level": …, "name": …, "tick": 7, "at": …, "methodVersion": …,
    piece 0    "devices": {…},                           "composite": {"value": …, … "coverage": 1.0,
    age 0      "freshness": 1.5,
    piece 1    "state": …, "contributions": […]}, …      "parking": {"name": {…}, "value": …, … "coverage": 0.9,
    age 1      "freshness": 2.5,
               └─ tail of the index before ─┘            └─ opening of this one ─────┘└─ head ─┘

A document that is written in another way is decoded and written in this one for the cutting; it is served as it came.
The index ids are read once: from then on the documents of an area are expected to go on as they began, and one that
does not is decoded again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from api import vitals
from api.vitals import COMPOSITE, DEVICES, Changes, Document
from devices.units import parse_instant

_FRAME = re.compile(
    rb'\{"area":"(?P<area>[^"\\]*)",(?P<named>"level":"(?P<level>[^"\\]*)","name":\{[^{}]*\}),'
    rb'"tick":\d+,"at":"(?P<at>[^"\\]*)","methodVersion":"(?P<method>[^"\\]*)",'
)
_FRESHNESS = re.compile(rb'"freshness":([^,]*),')
_VALUE = b'"value":'
_FRAME_KEYS = ("area", "level", "name", "tick", "at", "methodVersion")
_HEAD_KEYS = ("value", "unit", "score", "coverage", "freshness")


@dataclass(frozen=True)
class Layout:
    """Which index stands where."""

    names: tuple[str, ...]
    keys: tuple[bytes, ...]
    """how each index begins: its id and a brace"""
    openings: tuple[bytes, ...]
    """what stands before each index's value: the key, the name if it has one, and the value's own key"""
    domains: tuple[tuple[int, tuple[int, ...]], ...]
    """places of each domain and of its indicators"""
    end: bytes
    """what follows the last index's contributions"""


@dataclass(frozen=True)
class Cut:
    """A document in pieces."""

    layout: Layout
    frame: tuple[bytes, bytes, bytes]
    """level, level with name, method"""
    pieces: list[bytes]
    ages: list[bytes]


class Page:
    """The vital signs of an area as they are served; never changed."""

    def __init__(self, raw: bytes, at: str, cut: Cut | None, document: Document | None = None, plain: bool = True):
        """``at``: when it is of; ``cut``: None where it cannot be cut; ``plain``: ``raw`` itself was cut."""
        self.raw, self.at, self.cut, self.plain = raw, at, cut, plain
        if document is not None:
            self.document = document

    @cached_property
    def document(self) -> Document:
        """Decoded, when that is asked for."""
        decoded: Document = orjson.loads(self.raw)
        return decoded

    @property
    def level(self) -> str:
        """The level of the area."""
        return self.cut.frame[0].decode() if self.cut is not None else str(self.document["level"])

    def part(self, changed: Changes) -> bytes:
        """The changed VALUEs as JSON in the document's own shape; the whole of it for None."""
        if changed is None or self.cut is None:
            return self.raw
        cut, names = self.cut, self.cut.layout.names
        members = [_devices(cut)] if DEVICES in changed else []
        if COMPOSITE in changed:
            members.append(_said(cut, 0) + b"}")
        domains = []
        for place, own in cut.layout.domains:
            said = [_said(cut, place)] if names[place] in changed else []
            if indicators := [_said(cut, one) + b"}" for one in own if names[one] in changed]:
                said.append(b'"indicators":{%b}' % b",".join(indicators))
            if said:
                opening = b"" if names[place] in changed else cut.layout.keys[place]
                domains.append(opening + b",".join(said) + b"}")
        if domains:
            members.append(b'"domains":{%b}' % b",".join(domains))
        return b"{%b}" % b",".join(filter(None, members))


def read_page(payload: bytes, area: str, before: Page | None = None) -> Page:
    """Read ``cv1/{city}/out/{area}``; ``before``: the area's last page. Raises OutputError if it is none."""
    if before is not None and before.plain and before.cut is not None:
        page = _as_before(payload, area, before.cut)
        if page is not None:
            return page
    document = vitals.parse_document(payload, area)
    # an event's data is one line
    raw = orjson.dumps(document) if b"\n" in payload or b"\r" in payload else payload
    return _page(document, raw)


def page_of(document: Document) -> Page:
    """The page of a document that was made here."""
    return _page(document, orjson.dumps(document))


def changes(before: Page, after: Page) -> Changes:
    """The indices that differ in anything but freshness, and ``devices``; None for all of it, as for another method."""
    old, new = before.cut, after.cut
    if old is None or new is None or old.frame != new.frame or old.layout != new.layout:
        return None
    named: set[str] = set()
    layout, last = new.layout, len(new.layout.names)
    for place, (was, now) in enumerate(zip(old.pieces, new.pieces, strict=True)):
        if was == now:
            continue
        if place == last:
            named.add(layout.names[-1])
            continue
        middle_before, middle = was.rfind(_VALUE), now.rfind(_VALUE)
        if was[middle_before:] != now[middle:]:
            named.add(layout.names[place])
        if was[:middle_before] != now[:middle]:
            named.add(layout.names[place - 1] if place else DEVICES)
    return frozenset(named)


def indices(pages: Iterable[Page]) -> dict[str, str]:
    """Every index id that some area has, with its unit."""
    by_names: Mapping[object, Page] = {page.cut.layout.names if page.cut else page: page for page in pages}
    return {i: str(v.get("unit") or "") for page in by_names.values() for i, v in vitals.values(page.document)}


def _as_before(payload: bytes, area: str, before: Cut) -> Page | None:
    """The page, if the document is written as the area's last one was."""
    layout = before.layout
    frame = _FRAME.match(payload)
    if frame is None or frame["area"] != area.encode() or not payload.endswith(layout.end):
        return None
    if b"\n" in payload or b"\r" in payload:
        return None
    parts = _FRESHNESS.split(payload)
    if len(parts) != 2 * len(layout.names) + 1:
        return None
    parts[0] = parts[0][frame.end() :]
    pieces, ages = parts[::2], parts[1::2]
    for opening, was, now in zip(layout.openings, before.pieces, pieces, strict=False):
        if was != now and opening not in now:
            return None
    try:
        at = frame["at"].decode()
        parse_instant(at)
    except ValueError:
        return None
    return Page(payload, at, Cut(layout, _told(frame), pieces, ages))


def _told(frame: re.Match[bytes]) -> tuple[bytes, bytes, bytes]:
    return frame["level"], frame["named"], frame["method"]


def _page(document: Document, raw: bytes) -> Page:
    written = orjson.dumps(_in_order(document))
    return Page(raw, document["at"], _cut(written, document), document, plain=written == raw)


def _in_order(document: Document) -> dict[str, Any]:
    """The document with its keys where the cutting expects them."""
    domains = {}
    for domain, value in document["domains"].items():
        own = {key: item for key, item in value.items() if key != "indicators"}
        indicators = {index: _value_in_order(item) for index, item in value["indicators"].items()}
        domains[domain] = _value_in_order(own) | {"indicators": indicators}
    devices = {DEVICES: document[DEVICES]} if DEVICES in document else {}
    frame = {key: document.get(key) for key in _FRAME_KEYS}
    return frame | devices | {COMPOSITE: _value_in_order(document[COMPOSITE]), "domains": domains}


def _value_in_order(value: Mapping[str, Any]) -> dict[str, Any]:
    placed = ("name", *_HEAD_KEYS, "contributions")
    name = {"name": value["name"]} if "name" in value else {}
    head = {key: value.get(key) for key in _HEAD_KEYS}
    others = {key: item for key, item in value.items() if key not in placed}
    return name | head | others | {"contributions": value.get("contributions") or []}


def _cut(written: bytes, document: Document) -> Cut | None:
    """The pieces of a document whose keys are in order; None if they cannot be told apart."""
    frame = _FRAME.match(written)
    parts = _FRESHNESS.split(written)
    names = tuple(index for index, _ in vitals.values(document))
    if frame is None or len(parts) != 2 * len(names) + 1:
        return None
    parts[0] = parts[0][frame.end() :]
    pieces, ages = parts[::2], parts[1::2]
    layout = _layout(names, document, pieces)
    return None if layout is None else Cut(layout, _told(frame), pieces, ages)


def _layout(names: tuple[str, ...], document: Document, pieces: list[bytes]) -> Layout | None:
    keys, openings = [], []
    for name, piece in zip(names, pieces, strict=False):
        key = orjson.dumps(name) + b":{"
        before, found, _ = piece.rpartition(_VALUE)
        start = before.rfind(key)
        if not found or start < 0:
            return None
        keys.append(key)
        openings.append(before[start:] + _VALUE)
    domains, place = [], 1
    for value in document["domains"].values():
        first, place = place, place + 1 + len(value["indicators"])
        domains.append((first, tuple(range(first + 1, place))))
    return Layout(names, tuple(keys), tuple(openings), tuple(domains), pieces[-1][pieces[-1].rfind(b"]") :])


def _said(cut: Cut, place: int) -> bytes:
    """One index with all its fields, from its id on; the closing brace is left out."""
    openings, following = cut.layout.openings, cut.pieces[place + 1]
    head = cut.pieces[place][cut.pieces[place].rfind(_VALUE) + len(_VALUE) :]
    if place + 1 < len(openings):
        following = following.partition(openings[place + 1])[0]
    tail = following[: following.rfind(b"]") + 1]
    return b'%b%b"freshness":%b,%b' % (openings[place], head, cut.ages[place], tail)


def _devices(cut: Cut) -> bytes:
    return cut.pieces[0].partition(cut.layout.openings[0])[0].removesuffix(b",")
