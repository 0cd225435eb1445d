"""The vital signs of all areas at one tick, with the bytes that are asked for most made once and shared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from api import vitals
from api.vitals import Document, Tick


@dataclass(frozen=True)
class Snapshot:
    """A consistent state: every document says ``tick`` and ``at`` of the tick (of the silence, once silent).

    ``published`` holds the documents as they came from the broker, for those that were not changed here.
    """

    tick: Tick
    documents: Mapping[str, Document]
    published: Mapping[str, bytes] = field(repr=False)
    silent: bool = False
    _bodies: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def etag(self) -> str:
        """Strong: another tick, another run of the pipeline or its silence gives another one."""
        return f'"{self.tick.number}-{self.tick.at_micros:x}{"-silent" if self.silent else ""}"'

    def document(self, area: str) -> bytes:
        """The JSON of one area."""
        if (raw := self.published.get(area)) is not None:
            return raw
        return self._made(area, lambda: orjson.dumps(self.documents[area]))

    def level(self, level: str, index: str | None = None) -> bytes:
        """The JSON of the compact list of a level, with all indices or one of those that there are."""
        return self._made(f"level {level} {index}", lambda: self._list_of(level, index))

    def indices(self) -> dict[str, str]:
        """Every index id that some area has, with its unit."""
        return {i: str(v.get("unit") or "") for doc in self.documents.values() for i, v in vitals.values(doc)}

    def _list_of(self, level: str, index: str | None) -> bytes:
        documents = [document for document in self.documents.values() if document["level"] == level]
        if index is None:
            items = [vitals.compact(document) for document in documents]
        else:
            items = [vitals.single(document, index) for document in documents]
        tick = self.tick
        frame = {"tick": tick.number, "at": tick.at, "methodVersion": tick.method_version, "level": level}
        return orjson.dumps(frame | {"items": items, "next": None})

    def _made(self, name: str, make: Callable[[], bytes]) -> bytes:
        body = self._bodies.get(name)
        if body is None:
            body = self._bodies[name] = make()
        return body
