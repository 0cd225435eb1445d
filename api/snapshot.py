"""The vital signs of all areas at one tick, with what is asked for most made once and shared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from api import vitals
from api.pages import Page, indices
from api.vitals import Document, Tick


@dataclass(frozen=True)
class Snapshot:
    """A consistent state: every page says ``tick`` and ``at`` of the tick (of the silence, once silent)."""

    tick: Tick
    pages: Mapping[str, Page] = field(repr=False)
    silent: bool = False
    _bodies: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def etag(self) -> str:
        """Strong: another tick, another run of the pipeline or its silence gives another one."""
        return f'"{self.tick.number}-{self.tick.at_micros:x}{"-silent" if self.silent else ""}"'

    def document(self, area: str) -> bytes:
        """The JSON of one area."""
        return self.pages[area].raw

    def read(self, area: str) -> Document:
        """What is said of one area."""
        return self.pages[area].document

    def same_as(self, other: "Snapshot") -> bool:
        """Whether both say the same."""
        return self.etag == other.etag and all(page.raw == other.pages[area].raw for area, page in self.pages.items())

    def level(self, level: str, index: str | None = None) -> bytes:
        """The JSON of the compact list of a level, with all indices or one of those that there are."""
        return self._made(f"level {level} {index}", lambda: self._list_of(level, index))

    def indices(self) -> dict[str, str]:
        """Every index id that some area has, with its unit."""
        return indices(self.pages.values())

    def _list_of(self, level: str, index: str | None) -> bytes:
        documents = [page.document for page in self.pages.values() if page.level == level]
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
