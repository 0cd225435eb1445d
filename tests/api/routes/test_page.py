import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live_api import RunningApi, running_api

from api.config import ApiConfig


@pytest.fixture
def api(config: ApiConfig, tmp_path: Path) -> Iterator[RunningApi]:
    folder = tmp_path / "dashboard"
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>城市</title>", encoding="utf-8")
    (folder / "js" / "page.js").write_text("export const a = 1\n")
    (folder / ".hidden").write_text("secret")
    (tmp_path / "outside.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    with running_api(dataclasses.replace(config, dashboard=folder)) as running:
        yield running


def test_the_page_is_at_the_root_and_its_files_below(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "城市" in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/js/page.js").headers["content-type"].startswith(("text/javascript", "application/javascript"))


def test_a_browser_asks_again_and_hears_that_nothing_changed(client: httpx.Client) -> None:
    page = client.get("/js/page.js")
    assert page.headers["cache-control"] == "no-cache"
    again = client.get("/js/page.js", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/../outside.txt", "/%2e%2e/outside.txt", "/js/..%2f..%2foutside.txt", "/.hidden", "/link.txt", "/js", "/%00"],
)
def test_nothing_outside_the_folder_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_documentation_page_shows_every_route_and_asks_no_other_host(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in client.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in page.text
    links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert links
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    assert "<script" not in page.text
    assert client.get("/docs.css").headers["content-type"] == "text/css; charset=utf-8"
