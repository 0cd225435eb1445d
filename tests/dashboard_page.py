"""The operations-centre page in a real Chromium: who visits it, and the pipeline's side that feeds it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

import orjson
from live_api import PATIENCE, ZONE, document, value
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from devices.city import City
from devices.publisher import Publisher

WALL = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
Change = Callable[[dict[str, Any]], None]


class Feed:
    """The pipeline's side: publishes ticks whose scores differ from one to the next."""

    _numbers = count(1)

    def __init__(self, publisher: Publisher, city: City) -> None:
        self._publisher, self._city = publisher, city
        self._lock = threading.Lock()

    def tick(
        self,
        change: Change = lambda _: None,
        score: float | None = None,
        alarms: list[dict[str, Any]] | None = None,
    ) -> None:
        with self._lock:
            number = next(self._numbers)
            at = datetime.now(ZONE).isoformat()
            for area in self._city.areas:
                vitals = document(self._city, area.code, number, at, 50 + number % 40 if score is None else score)
                vitals["devices"] = {"parking_bay": {"expected": 12, "reporting": 11}}
                change(vitals)
                self._publish(area.code, vitals)
            closing = {"tick": number, "at": at, "methodVersion": "test-1", "pipeline": {"pending": 0}}
            self._publish("tick", closing | {"alarms": alarms or []})
            assert self._publisher.flush(PATIENCE)

    def _publish(self, name: str, message: Any) -> None:
        self._publisher.publish(f"cv1/{self._city.code}/out/{name}", orjson.dumps(message), retain=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A tick every half second while the block lasts."""
        done = threading.Event()

        def run() -> None:
            while not done.wait(0.5):
                self.tick()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class Visit:
    """One browser context with what must not happen in it: errors on the console, requests to other hosts."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        context.set_default_timeout(1000 * PATIENCE)
        self.page = context.new_page()
        self.url = url
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        context.on("request", lambda request: None if request.url.startswith(url) else self.foreign.append(request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, address: str = "/?lang=en") -> Page:
        self.page.goto(self.url + address)
        expect(self.page.locator("#domains .channel").first).to_be_visible()
        return self.page


@contextmanager
def visiting(browser: Browser, url: str, viewport: dict[str, int], **options: Any) -> Iterator[Visit]:
    context = browser.new_context(viewport=viewport, **options)  # type: ignore[arg-type] # a ViewportSize
    try:
        yield Visit(context, url)
    finally:
        context.close()


def many(vitals: dict[str, Any]) -> None:
    """Five domains of eleven indicators each, the last one telling of the system itself."""
    names = ("waste", "parking", "transit", "energy", "sensing")
    vitals["domains"] = {}
    for number, domain in enumerate(names):
        ids = [f"{domain}.number_{place}" for place in range(11)]
        scores = [95.0 - 4 * place for place in range(11)]
        parts = [{"id": i, "weight": 1.0, "score": s, "points": s / 11} for i, s in zip(ids, scores, strict=True)]
        english = {i: f"Hydrogen sulphide above limit {place}" for place, i in enumerate(ids)}
        vitals["domains"][domain] = value(75.0 - number, unit=None, name={"zh": domain, "en": domain.title()}) | {
            "contributions": parts,
            "indicators": {
                i: value(s, name={"zh": "硫化氢超标时间占比", "en": english[i]}, contributions=[])
                for i, s in zip(ids, scores, strict=True)
            },
        }
