"""The page's typeface: everything the page and the areas show is in it, and it asks no other host."""

import re
from pathlib import Path

import pytest

from devices.city import CITIES, load_city

DASHBOARD = Path(__file__).parents[2] / "api" / "dashboard"
FONTS = DASHBOARD / "fonts"
CHINESE = re.compile(r"[\u3400-\u9fff]")
PAGES = sorted(path for path in DASHBOARD.rglob("*") if path.suffix in {".html", ".js", ".css"})


@pytest.fixture(scope="module")
def characters() -> set[str]:
    return set((FONTS / "characters.txt").read_text(encoding="utf-8").replace("\n", ""))


def test_every_area_name_of_every_shipped_city_can_be_shown(characters: set[str]) -> None:
    for folder in (path.parent for path in CITIES.glob("*/city.toml")):
        city = load_city(folder)
        texts = [text for area in city.areas for text in (area.name_zh, area.name_en)]
        texts += city.map_note.values()
        assert set("".join(texts)) - characters - {" "} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DASHBOARD)))
def test_every_chinese_character_of_the_page_can_be_shown(path: Path, characters: set[str]) -> None:
    assert set(CHINESE.findall(path.read_text(encoding="utf-8"))) - characters == set()


def test_the_font_is_one_small_local_woff2_with_its_licence_beside_it() -> None:
    sources = re.findall(r'url\("?([^")]+)"?\)', (FONTS / "fonts.css").read_text(encoding="utf-8"))
    assert sources == ["cityvitals-sans.woff2"]
    assert (FONTS / sources[0]).read_bytes()[:4] == b"wOF2"
    assert sum(path.stat().st_size for path in FONTS.iterdir()) < 1_200_000
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONTS / "OFL.txt").read_text(encoding="utf-8")
