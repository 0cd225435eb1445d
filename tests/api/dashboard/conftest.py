"""The operations-centre page in a real Chromium, on the real API, fed through the real broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_page import WALL, Feed, Visit, visiting
from live_api import RunningApi, running_api, small_city
from playwright.sync_api import Browser, expect, sync_playwright

from api.config import ApiConfig
from devices.city import City
from devices.publisher import Publisher

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 150_000
"""how long a page on a busy machine may take; what has to happen at once is asserted without waiting"""


@pytest.fixture(scope="module")
def browser(chromium: tuple[Path, dict[str, str]]) -> Iterator[Browser]:
    program, environment = chromium
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(FLAGS), env={**environment})
        yield running
        running.close()


@pytest.fixture(scope="module")
def city() -> City:
    return small_city()


@pytest.fixture(scope="module")
def page_api(shared_database: str, broker_url: str, city: City) -> Iterator[RunningApi]:
    with running_api(ApiConfig(shared_database, broker_url, city, silent_after=600)) as running:
        yield running


@pytest.fixture
def feed(publisher: Publisher, city: City) -> Feed:
    return Feed(publisher, city)


@pytest.fixture
def visit(browser: Browser, page_api: RunningApi, feed: Feed) -> Iterator[Visit]:
    feed.tick()
    with visiting(browser, page_api.url, WALL) as visit:
        yield visit
