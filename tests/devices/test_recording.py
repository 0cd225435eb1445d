"""Recorded rows become readings: values as declared, nothing invented or lost in silence."""

import gzip
from pathlib import Path

import orjson
import pytest
from google.transit import gtfs_realtime_pb2
from recording_material import NOW, readings, record

from devices.city import City
from devices.explaining import explain
from devices.kinds import kinds
from devices.recording.catalogue import TRACES
from devices.recording.format import TraceError
from devices.recording.recording import in_words
from devices.replay import births, messages, start
from devices.topics import Topics
from devices.units import parse_instant

PARKS = """
files = "parks.csv"
kind = "car_park"
device.column = "id"
time = { column = "t", zone = "UTC" }
fields = { totalSpotNumber = "total", occupiedSpotNumber = "taken" }
"""


def test_rows_come_in_order_of_time_and_equal_times_in_order_of_the_file(tmp_path: Path, city: City) -> None:
    rows = (
        "id,t,total,taken\n"
        "a,2020-01-01 00:10,5,1\na,2020-01-01 00:20,5,2\nb,2020-01-01 00:05,7,0\nb,2020-01-01 00:20,7,3\n"
    )
    found = readings(record(tmp_path, city, PARKS, parks__csv=rows))
    assert [(r["device"], r["dateObserved"][11:16], r["occupiedSpotNumber"]) for r in found] == [
        ("b", "00:05", 0), ("a", "00:10", 1), ("a", "00:20", 2), ("b", "00:20", 3),
    ]  # fmt: skip


def test_missing_markers_become_no_value_and_wrong_values_go_to_the_system(tmp_path: Path, city: City) -> None:
    rows = (
        "id,t,total,taken\n"
        "a,2020-01-01 00:01,5,0\na,2020-01-01 00:02,?,-200.0\na,2020-01-01 00:03,,NA\n"
        "a,2020-01-01 00:04,5,-3\na,2020-01-01 00:05,5,many\na,2020-01-01 00:06, 5 ,99999999999\n"
    )
    toml = PARKS + 'missing = ["?", "NA", -200]'
    recording = record(tmp_path, city, toml, parks__csv=rows)
    found = readings(recording)
    assert [(r.get("totalSpotNumber"), r.get("occupiedSpotNumber")) for r in found] == [
        (5, 0), (5, -3), (5, "many"), (5, 99999999999),
    ]  # fmt: skip
    flaws = [explain(kinds()["car_park"].stream, {k: v for k, v in r.items() if k != "device"}) for r in found]
    assert [flaw and flaw.reason for flaw in flaws] == [None, "range", "schema", "range"]
    assert recording.tally.read == 6
    assert recording.tally.skipped == {"empty": 2}


def test_rows_without_time_or_device_are_counted_and_shown(tmp_path: Path, city: City) -> None:
    rows = (
        "id,t,total,taken\na,soon,5,1\n,2020-01-01 00:01,5,1\na/b,2020-01-01 00:01,5,1\n"
        "a,2020-01-01 00:01,5,1,8\na,2020-01-01 00:02,5,1,\n,,,\n"
    )
    recording = record(tmp_path, city, PARKS, parks__csv=rows)
    assert recording.tally.skipped == {"time": 1, "device": 3, "cells": 1}
    words = in_words(recording.tally)
    assert "parks.csv line 2: time is 'soon', must be iso" in words
    assert 'line 4: device id is "a/b"' in words
    assert "line 5: row has 5 cells, the header has 4" in words
    assert len(recording.rows) == 1


def test_a_european_spreadsheet_export(tmp_path: Path, city: City) -> None:
    text = (
        'Bericht Januar\r\n"erstellt; von Hand\r\nZähler;Datum;Uhrzeit;Leistung [W];Stand\r\n;;;W;MWh\r\n'
        'Haus 1;05.01.2024;13:05;"1.234,5";1,5\r\nHaus 2;05.01.2024;13:05;-200;2,0\r\n# Ende\r\n\r\n'
    )
    toml = """
    files = "*.csv"
    kind = "energy_meter"
    csv.separator = ";"
    csv.decimal = ","
    csv.thousands = "."
    csv.header = 3
    csv.skip_after_header = 1
    csv.encoding = "latin-1"
    csv.comment = "#"
    device = { column = "zähler", replace = { " " = "_" }, prefix = "m-", name = "Zähler {Zähler}" }
    time = { columns = ["Datum", "Uhrzeit"], format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
    [fields]
    totalActivePower = { column = "#4", unit = "W", missing = [-200] }
    totalActiveEnergyImport = { column = "Stand", unit = "MWh" }
    """
    recording = record(tmp_path, city, toml, export__csv=text.encode("latin-1"))
    assert readings(recording) == [
        {
            "device": "m-Haus_1",
            "dateObserved": "2024-01-05T12:05:00Z",
            "totalActivePower": 1.2345,
            "totalActiveEnergyImport": 1500.0,
        },
        {"device": "m-Haus_2", "dateObserved": "2024-01-05T12:05:00Z", "totalActiveEnergyImport": 2000.0},
    ]
    assert [meta["name"] for _, _, meta in recording.births(1)] == ["Zähler Haus 1", "Zähler Haus 2"]


def test_tabs_gzip_a_byte_order_mark_and_headers_that_differ_in_case(tmp_path: Path, city: City) -> None:
    one = '\ufeffKerbsideID\tStatus\tLocation\tWhen\n1\tPresent\t"-37.8, 144.9"\t1704067200000\n'
    two = "kerbsideid\tSTATUS\tlocation\tWHEN\n2\tUnoccupied\t\t1704067201000\n3\tBroken\t(1,2)\t1704067202000\n"
    toml = """
    files = "*.tsv"
    kind = "parking_bay"
    device.column = "KerbsideID"
    time = { column = "When", format = "epoch_ms" }
    fields.status = { column = "Status", map = { Present = "occupied", Unoccupied = "free" }, otherwise = "unknown" }
    location = { column = "Location" }
    """
    recording = record(tmp_path, city, toml, one__tsv__gz=gzip.compress(one.encode()), two__tsv=two)
    assert [r["status"] for r in readings(recording)] == ["occupied", "free", "unknown"]
    places = {device: meta.get("location") for _, device, meta in recording.births(1)}
    assert places["1"] == {"type": "Point", "coordinates": [144.9, -37.8]}
    assert places["2"] is None


def test_sources_with_other_units_filters_and_a_difference_of_columns(tmp_path: Path, city: City) -> None:
    toml = """
    kind = "bus"
    device.column = "v"
    time.column = "t"
    [[source]]
    files = "mph.csv"
    fields = { speed = { column = "s", unit = "mph" }, position = { latitude = "y", longitude = "x", missing = [0] } }
    where = [{ column = "v", not_equals = "test" }, { column = "ok", in = ["yes", 1] }]
    [[source]]
    files = "mps.csv"
    fields = { speed = { column = "s", minus = "wind", unit = "m/s" }, route = { column = "r", optional = true } }
    """
    mph = (
        "v,t,s,x,y,ok\n1,2020-01-01T00:00Z,10,121.5,31.2,yes\n1,2020-01-01T00:01Z,10,0,0.0,1\n"
        "test,2020-01-01T00:02Z,1,1,1,1\n1,2020-01-01T00:03Z,1,1,1,no\n"
    )
    mps = "v,t,s,wind\n2,2020-01-01T00:04Z,10,0.5\n2,2020-01-01T00:05Z,10,\n"
    recording = record(tmp_path, city, toml, mph__csv=mph, mps__csv=mps)
    found = readings(recording)
    assert [r["speed"] for r in found] == [10 * 1.609344, 10 * 1.609344, 9.5 * 3.6]
    assert [r.get("position", {}).get("coordinates") for r in found] == [[121.5, 31.2], None, None]
    assert recording.tally.skipped == {"where": 2, "empty": 1}
    assert [meta["attributes"]["measures"] for _, _, meta in recording.births(1)] == [["speed", "position"], ["speed"]]


def test_times_within_a_row_keep_their_true_distance_at_any_speed(tmp_path: Path, city: City) -> None:
    toml = """
    files = "a.csv"
    stream = "bus_arrival"
    device.constant = "bus"
    time = { column = "actual", zone = "Asia/Shanghai" }
    fields = { route = "r", trip = "r", stop = "r", scheduledAt = "plan", arrivedAt = "actual", predictedAt = "fc" }
    """
    rows = (
        "r,plan,actual,fc\n"
        "1,2020-01-01 08:00:00,2020-01-01 08:01:30,\n1,2020-01-01 08:10:00,2020-01-01 08:09:00,never\n"
    )
    recording = record(tmp_path, city, toml, a__csv=rows)
    clock = start(recording, NOW, 60.0)
    (at, topic, one), (later, _, two) = messages(recording, clock, Topics("310000", kinds()))
    first, second = orjson.loads(one), orjson.loads(two)
    assert topic == "cv1/310000/bus/bus/event/arrival"
    assert parse_instant(first["arrivedAt"]) == parse_instant(first["dateObserved"]) == at == NOW
    assert parse_instant(first["arrivedAt"]) - parse_instant(first["scheduledAt"]) == 90_000_000
    assert "predictedAt" not in first
    assert later == NOW + 450_000_000 // 60
    assert parse_instant(second["arrivedAt"]) - parse_instant(second["scheduledAt"]) == -60_000_000
    assert second["predictedAt"] == "never"


def test_seq_is_there_only_when_asked_for(tmp_path: Path, city: City) -> None:
    rows = "id,t,total,taken,n\na,2020-01-01 00:01,5,1,70\na,2020-01-01 00:01,5,1,x\n"
    assert ["seq" in r for r in readings(record(tmp_path, city, PARKS, parks__csv=rows))] == [False, False]
    assert [r["seq"] for r in readings(record(tmp_path, city, PARKS + 'seq = "row"', parks__csv=rows))] == [1, 2]
    recording = record(tmp_path, city, PARKS + 'seq = "n"', parks__csv=rows)
    assert [r["seq"] for r in readings(recording)] == [70]
    assert recording.tally.skipped == {"seq": 1}


def test_gtfs_realtime_positions(tmp_path: Path, city: City) -> None:
    feed = gtfs_realtime_pb2.FeedMessage()
    feed.header.gtfs_realtime_version = "2.0"
    feed.header.timestamp = 1598911225
    for i, (speed, lat) in enumerate([(5.0, -33.5), (None, 0.0)]):
        entity = feed.entity.add(id=str(i))
        entity.vehicle.vehicle.id = f"v{i}/1"
        entity.vehicle.timestamp = 1598911200 + i
        entity.vehicle.trip.route_id = "2444"
        entity.vehicle.position.latitude, entity.vehicle.position.longitude = lat, 0.0 if lat == 0 else 151.25
        if speed is not None:
            entity.vehicle.position.speed = speed
    feed.entity.add(id="alert").alert.SetInParent()
    toml = (TRACES / "gtfsrt-sydney" / "trace.toml").read_text(encoding="utf-8")
    recording = record(tmp_path, city, toml, **{"VehiclePositions-1.pb.gz": gzip.compress(feed.SerializeToString())})
    assert readings(recording) == [
        {"device": "sydney-v0_1", "dateObserved": "2020-08-31T22:00:00Z", "route": "2444", "speed": 18.0,
         "position": {"type": "Point", "coordinates": [151.25, -33.5]}},
        {"device": "sydney-v1_1", "dateObserved": "2020-08-31T22:00:01Z", "route": "2444"},
    ]  # fmt: skip
    with pytest.raises(TraceError, match="is not a GTFS-realtime message"):
        record(tmp_path, city, toml, **{"VehiclePositions-1.pb.gz": gzip.compress(b"no protobuf")})


@pytest.mark.parametrize(
    ("toml", "content", "complaint"),
    [
        (PARKS.replace("parks.csv", "x.csv"), "id,t\n", "no file matches x.csv; there is parks.csv"),
        (PARKS, "id,t,total\n", "has no column 'taken'; its columns are id, t, total"),
        (PARKS, "", "has no line 1 to be the header"),
        (PARKS, "id,t,total,taken\n", "not one of its 0 rows gives a reading"),
        (PARKS, b"id,t,total,taken\n\xff\n", "line 2 is not utf-8-sig"),
        (PARKS, b"\x1f\x8b\x08\x00broken", "cannot be read whole"),
        (PARKS + "csv.encoding = 'klingon'", "id\n", "csv.encoding is 'klingon'"),
        (PARKS + "areas = { rule = 'constant', code = 1 }", "id,t,total,taken\na,2020-01-01,1,1\n", "code: area '1'"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_words(
    tmp_path: Path, city: City, toml: str, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(TraceError) as error:
        record(tmp_path, city, toml, parks__csv=content)
    assert complaint in str(error.value)


def test_devices_stand_where_the_rule_says_and_always_in_the_same_place(tmp_path: Path, city: City) -> None:
    rows = "id,t,total,taken,area\n" + "".join(f"p{i:02d},2020-01-01,5,1,{310104003 + i % 2}\n" for i in range(20))

    def areas(rule: str) -> list[str]:
        recording = record(tmp_path, city, PARKS + rule, parks__csv=rows)
        return [meta["area"] for _, _, meta in recording.births(1)]

    assert areas("") == areas("areas.rule = 'hash'")
    assert len(set(areas(""))) > 15
    assert {city.area(code).level for code in areas("")} == {"street"}
    inside = [area.code for area in city.children("310104")]
    assert areas("areas = { rule = 'round_robin', within = '310104' }") == [inside[i % len(inside)] for i in range(20)]
    assert set(areas("areas = { rule = 'hash', within = ['310104', '310101002'] }")) <= {*inside, "310101002"}
    assert areas("areas = { rule = 'constant', code = '310104' }") == ["310104"] * 20
    assert areas("area = 'area'\nareas.rule = 'column'") == ["310104003", "310104004"] * 10


def test_births_tell_the_median_gap_at_the_speed_of_the_replay(tmp_path: Path, city: City) -> None:
    rows = "id,t,total,taken\nb,2020-01-01,1,1\n"
    rows += "".join(f"a,2020-01-01 00:{minute:02d},5,1\n" for minute in (0, 10, 20, 50))
    recording = record(tmp_path, city, PARKS, parks__csv=rows)
    assert [b.meta["attributes"]["reportingInterval"] for b in births(recording, 10.0)] == [60.0, 60.0]
    assert [b.meta["attributes"]["reportingInterval"] for b in births(recording, 1e6)] == [1.0, 1.0]
