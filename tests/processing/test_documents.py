"""Documents and minutes of history say what the snapshot says, in the shape that clients rely on."""

from typing import Any

import numpy as np
import orjson
import pytest
from processing_material import FIRST, NOW, SECOND, THIRD, batch, device, engine, observed, small_city

from processing.documents import Documents
from processing.engine import Engine
from processing.indicators import DOMAINS
from processing.scoring import REASONS

VALUE = {"value", "unit", "score", "coverage", "freshness", "state", "revision", "reason", "contributions"}


@pytest.fixture(scope="module")
def live() -> Engine:
    """Two streets with bays, one of them with huts; no car parks, buses or meters."""
    made = engine(
        [device(n, "parking_bay", FIRST) for n in (1, 2, 3)]
        + [device(n, "garbage_hut", THIRD) for n in (11, 12)]
        + [device(21, "parking_bay", THIRD)]
    )
    states = ["occupied", "occupied", "free"]
    made.fold(batch("parking_bay", [(n, observed(-n, status=s)) for n, s in zip((1, 2, 3), states, strict=True)]))
    huts = [(11, observed(-2.5, fillingLevelFood=0.97, nh3=0, h2s=0)), (12, observed(-5, fillingLevelFood=0.5, nh3=0))]
    made.fold(batch("garbage_hut", huts))
    return made


@pytest.fixture(scope="module")
def documents(live: Engine) -> dict[str, dict[str, Any]]:
    written = Documents(small_city(), live).write(live.evaluate(NOW), 17, live.worst(NOW))
    return {area: orjson.loads(document) for area, document in written}


def test_there_is_a_document_for_every_area(documents: dict[str, Any]) -> None:
    city = small_city()
    assert list(documents) == [area.code for area in city.areas]
    for area in city.areas:
        document = documents[area.code]
        assert (document["area"], document["level"], document["name"]) == (area.code, area.level, area.name)
        assert (document["tick"], document["at"]) == (17, "2026-11-20T08:00:00+08:00")


def test_every_value_has_the_whole_shape(documents: dict[str, Any], live: Engine) -> None:
    for document in documents.values():
        assert document["methodVersion"] == live.method_version
        assert set(document["composite"]) == VALUE
        assert list(document["domains"]) == [domain.id for domain in DOMAINS]
        for domain in document["domains"].values():
            assert set(domain) == VALUE | {"name", "indicators"}
            for indicator in domain["indicators"].values():
                assert set(indicator) == VALUE | {"name"}
                assert set(indicator["name"]) == {"zh", "en"}
                assert (indicator["state"], indicator["revision"]) == ("provisional", 0)
                assert 0 <= indicator["coverage"] <= 1


def test_an_indicator_has_value_unit_and_score_and_its_age(documents: dict[str, Any]) -> None:
    kerb = documents["990101001"]["domains"]["parking"]["indicators"]["parking.kerb_occupancy"]
    assert kerb["value"] == pytest.approx(2 / 3)
    assert (kerb["unit"], kerb["score"], kerb["coverage"], kerb["reason"]) == ("1", 100.0, 1.0, None)
    assert kerb["freshness"] == 1.0


def test_an_index_has_a_score_and_no_value(documents: dict[str, Any]) -> None:
    parking = documents["990101001"]["domains"]["parking"]
    assert (parking["value"], parking["unit"], parking["score"]) == (None, None, 100.0)


def test_contributions_add_up_to_the_score(documents: dict[str, Any]) -> None:
    for document in documents.values():
        for index in (document["composite"], *document["domains"].values()):
            points = [part["points"] for part in index["contributions"]]
            if index["score"] is None:
                assert set(points) <= {None}
            else:
                assert sum(p for p in points if p is not None) == pytest.approx(index["score"], abs=1e-9)


def test_contributions_leave_out_what_does_not_apply_and_name_weight_and_score(documents: dict[str, Any]) -> None:
    district = documents["990102"]
    assert [part["id"] for part in district["composite"]["contributions"]] == ["waste", "parking"]
    parts = {part["id"]: part for part in district["domains"]["waste"]["contributions"]}
    assert parts["waste.overflow_share"] == {
        "id": "waste.overflow_share",
        "weight": 2.0,
        "score": 0.0,
        "points": 0.0,
    }
    assert parts["waste.h2s_exceedance"]["score"] is None, "one hut of two is too few"
    assert "energy.load" not in str(documents["990000"]["domains"]["energy"]["contributions"])


def test_an_indicator_names_the_devices_that_pull_it_down(documents: dict[str, Any]) -> None:
    for area in ("990000", "990102", "990102001"):
        overflow = documents[area]["domains"]["waste"]["indicators"]["waste.overflow_share"]
        assert overflow["contributions"] == [{"device": "garbage_hut-11", "value": 1.0}]
    clean = documents["990101001"]["domains"]["waste"]["indicators"]["waste.overflow_share"]
    assert clean["contributions"] == []


def test_what_is_missing_is_null_with_its_reason(documents: dict[str, Any]) -> None:
    third = documents["990102001"]["domains"]["parking"]
    kerb = third["indicators"]["parking.kerb_occupancy"]
    assert (kerb["value"], kerb["score"], kerb["coverage"], kerb["freshness"]) == (None, None, 0.0, None)
    assert kerb["reason"] == third["reason"] == "stale"
    energy = documents["990000"]["domains"]["energy"]
    assert energy["reason"] == "no_devices"


def test_devices_are_counted_by_kind(documents: dict[str, Any]) -> None:
    assert documents["990000"]["devices"] == {
        "bus": {"expected": 0, "reporting": 0},
        "car_park": {"expected": 0, "reporting": 0},
        "energy_meter": {"expected": 0, "reporting": 0},
        "garbage_hut": {"expected": 2, "reporting": 2},
        "parking_bay": {"expected": 4, "reporting": 3},
    }


def test_what_is_kept_between_ticks_says_what_documents_made_anew_say() -> None:
    bays = [(n, FIRST if n < 20 else THIRD) for n in range(1, 40)]
    made = engine([device(n, "parking_bay", area) for n, area in bays])
    kept, worst = Documents(small_city(), made), made.worst(NOW)
    dice = np.random.default_rng(4)
    for second in range(0, 1200, 60):
        at = NOW + second * SECOND
        some = dice.choice([n for n, _ in bays], int(dice.integers(0, 12)), replace=False)
        states = dice.choice(["occupied", "free", "closed"], len(some))
        readings = [(int(n), observed(second, status=str(s))) for n, s in zip(some, states, strict=True)]
        if readings:
            made.fold(batch("parking_bay", readings))
        if second % 180 == 0:
            worst = made.worst(at)
        if second == 600:
            made.register([device(n, "garbage_hut", THIRD) for n in (51, 52)])
        snapshot = made.evaluate(at)
        anew = dict(Documents(small_city(), made).write(snapshot, second, worst))
        assert dict(kept.write(snapshot, second, worst)) == anew


def test_a_minute_says_of_every_index_with_devices_what_the_documents_say(
    live: Engine, documents: dict[str, Any]
) -> None:
    minute = Documents(small_city(), live).history(live.evaluate(NOW))
    assert (minute.at, minute.state) == (NOW, "provisional")
    for label, (area, document) in enumerate(documents.items()):
        assert minute.areas[label] == area
        assert minute.method_version == document["methodVersion"]
        indices = {"composite": document["composite"], **document["domains"]}
        for domain in document["domains"].values():
            indices |= domain["indicators"]
        for index, value in indices.items():
            said = minute.indices.get(index)
            if said is None or not said.applies[label]:
                assert value["reason"] == "no_devices"
                continue
            assert REASONS[said.reason[label]] == value["reason"]
            for field in ("value", "score"):
                number = getattr(said, field)[label]
                assert (None if np.isnan(number) else number) == value[field], (area, index, field)
            assert said.coverage[label] == np.float32(value["coverage"])
