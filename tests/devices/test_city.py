"""Areas, hierarchy and outlines of a city: Shanghai as shipped, and a tiny city made of nothing but a folder."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from shapely import unary_union
from shapely.geometry import Point, shape

from devices.area import CODE_DIGITS
from devices.city import CITIES, City, CityError, load_city

TINY_TOML = """
code = "990000"
timezone = "Europe/Dublin"
centre = [1.0, 0.5]
[map_note]
zh = "示意"
en = "sketch"
"""
TINY_AREAS = """code,level,parent,name_zh,name_en
990102001,street,990102,东街,
990101002,street,990101,南街,South Street
990000,city,,小城,Tiny
990102,district,990000,东区,East
990101001,street,990101,北街,North Street
990101,district,990000,西区,West
"""


def square(code: str, west: float, hole: bool = False) -> dict[str, object]:
    rings = [[[west, 0.0], [west + 1, 0.0], [west + 1, 1.0], [west, 1.0], [west, 0.0]]]
    if hole:
        rings.append([[west + x, y] for x, y in ((0.4, 0.4), (0.4, 0.6), (0.6, 0.6), (0.6, 0.4), (0.4, 0.4))])
    geometry = {"type": "Polygon", "coordinates": rings}
    return {"type": "Feature", "properties": {"code": code}, "geometry": geometry}


def write_city(folder: Path, **files: str) -> Path:
    features = [square("990102", 1.0), square("990101", 0.0, hole=True)]
    outlines = json.dumps({"type": "FeatureCollection", "features": features})
    defaults = {"city.toml": TINY_TOML, "areas.csv": TINY_AREAS, "districts.geojson": outlines}
    folder.mkdir(exist_ok=True)
    for name, text in (defaults | {name.replace("_", "."): text for name, text in files.items()}).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shanghai() -> City:
    return load_city("shanghai")


def test_shanghai_has_its_sixteen_districts_and_234_streets(shanghai: City) -> None:
    assert (shanghai.code, shanghai.name) == ("310000", {"zh": "上海市", "en": "Shanghai"})
    assert shanghai.timezone.key == "Asia/Shanghai"
    assert [len(shanghai.at_level(level)) for level in CODE_DIGITS] == [1, 16, 234]
    assert shanghai.area("310104").name == {"zh": "徐汇区", "en": "Xuhui"}
    assert shanghai.area("310104003").name == {"zh": "天平路街道", "en": "Tianping Road Subdistrict"}
    assert all(area.name_en for area in shanghai.areas)


def test_every_street_of_shanghai_lies_in_the_district_its_code_begins_with(shanghai: City) -> None:
    for street in shanghai.at_level("street"):
        assert street.parent == street.code[:6]
        assert shanghai.area(street.parent).level == "district"
        assert [area.level for area in shanghai.ancestors(street.code)] == ["district", "city"]


def test_labels_run_from_parents_to_children_so_that_sums_roll_up_backwards(shanghai: City) -> None:
    assert shanghai.parents.dtype == np.int32
    assert shanghai.parents[0] == -1
    assert (shanghai.parents < np.arange(len(shanghai.areas))).all()
    assert [shanghai.index[area.code] for area in shanghai.areas] == list(range(251))
    sums = np.array([area.level == "street" for area in shanghai.areas], dtype=np.int64)
    for label in range(250, 0, -1):
        sums[shanghai.parents[label]] += sums[label]
    assert sums[0] == 234
    assert sums[shanghai.index["310104"]] == len(shanghai.children("310104"))


def test_children_of_the_city_are_its_districts_and_a_street_has_none(shanghai: City) -> None:
    assert shanghai.children("310000") == shanghai.at_level("district")
    assert shanghai.children("310104003") == ()
    assert shanghai.ancestors("310000") == ()


def test_an_area_the_city_does_not_have_is_named_in_the_error(shanghai: City) -> None:
    assert shanghai.get("110000") is None
    assert "110000" not in shanghai
    with pytest.raises(CityError, match="'110000' is not one of the 251 areas of Shanghai"):
        shanghai.area("110000")


def test_outlines_of_shanghai_are_valid_and_neither_overlap_nor_leave_gaps(shanghai: City) -> None:
    polygons = {feature["id"]: shape(feature["geometry"]) for feature in shanghai.geojson()["features"]}
    assert set(polygons) == {area.code for area in shanghai.at_level("district")}
    for code, polygon in polygons.items():
        assert polygon.is_valid, code
        assert polygon.geom_type in ("Polygon", "MultiPolygon")
        for part in getattr(polygon, "geoms", [polygon]):
            assert part.exterior.is_ccw, code
            assert not any(ring.is_ccw for ring in part.interiors), code
    whole = unary_union(list(polygons.values()))
    assert whole.area == pytest.approx(sum(polygon.area for polygon in polygons.values()), rel=1e-6)
    assert len(getattr(whole, "geoms", [whole])) == 1
    assert not whole.interiors


def test_the_label_and_interior_points_of_every_district_lie_in_that_district(shanghai: City) -> None:
    rng = np.random.default_rng(20)
    for outline in shanghai.outlines:
        polygon = shape(outline.geometry)
        inside = polygon.representative_point()
        assert polygon.contains(Point(outline.label))
        assert shanghai.district_of(*outline.label) == outline.code
        assert shanghai.district_of(inside.x, inside.y) == outline.code
        for _ in range(20):
            lon, lat = shanghai.random_point(outline.code, rng)
            assert polygon.covers(Point(lon, lat))
            assert shanghai.district_of(lon, lat) == outline.code


@pytest.mark.parametrize(
    ("lon", "lat", "district"),
    [
        (121.4365, 31.1927, "310104"),  # Xujiahui
        (121.4997, 31.2397, "310115"),  # Oriental Pearl Tower
        (121.4737, 31.2304, "310101"),  # People's Square
        (121.4557, 31.2494, "310106"),  # Shanghai railway station, in Zhabei until 2015
        (121.3167, 31.1956, "310112"),  # Hongqiao railway station
        (121.8053, 31.1443, "310115"),  # Pudong airport, near Nanhui
        (116.3975, 39.9087, None),  # Beijing
    ],
)
def test_known_places_are_found_in_their_present_district(
    shanghai: City, lon: float, lat: float, district: str | None
) -> None:
    assert shanghai.district_of(lon, lat) == district


def test_point_in_outline_agrees_with_shapely_over_the_whole_city(shanghai: City) -> None:
    polygons = {outline.code: shape(outline.geometry) for outline in shanghai.outlines}
    rng = np.random.default_rng(7)
    west, south, east, north = unary_union(list(polygons.values())).bounds
    for lon, lat in zip(rng.uniform(west, east, 1500), rng.uniform(south, north, 1500), strict=True):
        holders = [code for code, polygon in polygons.items() if polygon.contains(Point(lon, lat))]
        assert shanghai.district_of(float(lon), float(lat)) == (holders[0] if holders else None)


def test_the_map_says_that_it_is_not_survey_approved(shanghai: City) -> None:
    for feature in shanghai.geojson()["features"]:
        assert set(feature["properties"]) == {"code", "level", "name", "label", "note"}
        assert feature["properties"]["level"] == "district"
        assert "not a survey-approved map" in feature["properties"]["note"]["en"]
        assert "非经测绘主管部门审核" in feature["properties"]["note"]["zh"]
    json.dumps(shanghai.geojson())


def test_the_city_shown_in_the_documentation_can_be_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Another city")[2].partition("\n## ")[0]
    for language, name in (("toml", "city.toml"), ("csv", "areas.csv"), ("json", "districts.geojson")):
        (shown,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
        (tmp_path / name).write_text(shown, encoding="utf-8")
    city = load_city(tmp_path)
    assert [area.name["en"] for area in city.areas] == ["Tinytown", "East", "Bridge Street"]
    assert city.district_of(*city.centre) == "990101"


def test_provenance_of_every_shipped_file_is_written_down() -> None:
    for folder in (path.parent for path in CITIES.glob("*/city.toml")):
        source = (folder / "SOURCE.md").read_text(encoding="utf-8")
        for path in folder.iterdir():
            assert path.name == "SOURCE.md" or f"`{path.name}`" in source


def test_another_city_is_another_folder_and_no_code(tmp_path: Path) -> None:
    tiny = load_city(write_city(tmp_path / "tiny"))
    codes = [area.code for area in tiny.areas]
    assert codes == ["990000", "990101", "990102", "990101001", "990101002", "990102001"]
    assert tiny.parents.tolist() == [-1, 0, 0, 1, 1, 2]
    assert tiny.timezone.key == "Europe/Dublin"
    assert tiny.area("990102001").name == {"zh": "东街", "en": "东街"}
    assert tiny.district_of(0.2, 0.5) == "990101"
    assert tiny.district_of(0.5, 0.5) is None
    assert tiny.district_of(1.5, 0.5) == "990102"
    assert tiny.district_of(5.0, 0.5) is None


def test_a_point_on_a_shared_edge_belongs_to_exactly_one_district(tmp_path: Path) -> None:
    tiny = load_city(write_city(tmp_path / "tiny"))
    for lat in (0.0, 0.25, 0.5, 0.999):
        assert sum(outline.contains(1.0, lat) for outline in tiny.outlines) == 1


def test_a_random_point_of_a_street_lies_in_its_district_and_repeats_with_its_seed(tmp_path: Path) -> None:
    tiny = load_city(write_city(tmp_path / "tiny"))
    points = [tiny.random_point("990101001", np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert points[0] == points[1] != points[2]
    assert all(tiny.district_of(*point) == "990101" for point in points)
    with pytest.raises(CityError, match="'990000' is a city, must be a district or street"):
        tiny.random_point("990000", np.random.default_rng(1))


def test_an_unknown_city_is_answered_with_those_there_are() -> None:
    with pytest.raises(CityError, match="city 'atlantis' is neither a folder nor one of: shanghai"):
        load_city("atlantis")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("code,level", "id,level", r"columns are \['id', "),
        ("990102,district", "99102,district", r"row 5: code of a district is '99102', must be 6 digits"),
        ("990102001,street", "99010200x,street", r"row 2: code of a street is '99010200x', must be 9 digits"),
        ("990102001,street", "990102,street", r"row 2: code of a street is '990102', must be 9 digits"),
        ("990101002,street", "990101002,lane", r"row 3: level is 'lane', must be one of city, district, street"),
        ("990101002,", "990101001,", r"row 6: code '990101001' is already taken by 南街"),
        ("street,990102", "street,990103", r"row 2: street 990102001 is an orphan: its parent '990103'"),
        ("street,990102", "street,990000", r"row 2: parent of street 990102001 is 990000, a city, must be a"),
        ("990000,city,,", "990000,city,990101,", r"row 4: parent of the city is '990101', must be empty"),
        ("南街,South Street", "南街,South Street,x", r"row 3: must have 5 cells"),
        ("南街,South Street", "南街", r"row 3: must have 5 cells"),
        ("南街,South Street", " ,South Street", r"row 3: name_zh of 990101002 is empty"),
        ("990000,city,,小城,Tiny", "", r"is an orphan"),
    ],
)
def test_a_wrong_area_row_is_named_with_its_value(tmp_path: Path, before: str, after: str, message: str) -> None:
    folder = write_city(tmp_path / "tiny", areas_csv=TINY_AREAS.replace(before, after, 1))
    with pytest.raises(CityError, match=message):
        load_city(folder)


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("city.toml", "990000", "990001", r"code is '990001', must be that of the city in areas.csv, '990000'"),
        ("city.toml", "Europe/Dublin", "Europe/Atlantis", r"city.toml: must give code, timezone.*Atlantis"),
        ("city.toml", "centre = [1.0, 0.5]", "", r"city.toml: must give .*'centre'"),
        ("districts.geojson", "990102", "990109", r"outline of '990109' is of no district"),
        ("districts.geojson", "990102", "990101", r"code '990101' has 2 features, must have one"),
        ("districts.geojson", '"code"', '"id"', r"must be a GeoJSON FeatureCollection.*'code'"),
        ("districts.geojson", "Polygon", "Circle", r"geometry of '990102' is wrong: type is 'Circle'"),
        ("districts.geojson", "1.0, 0.0", "181.0, 0.0", r"geometry of '990102' is wrong"),
    ],
)
def test_files_that_disagree_are_refused(tmp_path: Path, file: str, before: str, after: str, message: str) -> None:
    folder = write_city(tmp_path / "tiny")
    text = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(CityError, match=message):
        load_city(folder)


def test_a_missing_file_or_outline_is_named(tmp_path: Path) -> None:
    folder = write_city(tmp_path / "tiny")
    lone = {"type": "FeatureCollection", "features": [square("990101", 0.0)]}
    (folder / "districts.geojson").write_text(json.dumps(lone), encoding="utf-8")
    with pytest.raises(CityError, match="districts 990102 have no outline"):
        load_city(folder)
    (folder / "areas.csv").unlink()
    with pytest.raises(CityError, match=r"areas\.csv: cannot be read"):
        load_city(folder)
