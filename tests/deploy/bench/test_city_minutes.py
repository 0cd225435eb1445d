"""The minutes that the benchmark `recompute` fills tables with are a city's: every kind, at its own interval."""

import numpy as np

from deploy.bench.city_minutes import MINUTE, minute_of_readings
from deploy.bench.readings import kind_of
from devices.kinds import kinds, streams
from ingest.batch import Batch
from ingest.packing import pack

END = 29_918_880 * MINUTE
DEVICES = 500


def minute(end: int = END) -> list[Batch]:
    return list(minute_of_readings(DEVICES, end))


def test_every_device_reports_at_the_interval_of_its_kind() -> None:
    batches = minute()
    for kind in kinds().values():
        said = np.concatenate([one.device for one in batches if one.stream.name == kind.stream.name])
        times = 60 / kind.reporting_interval
        assert {kind_of(int(key) - 1) for key in said} == {kind.id}
        assert np.unique(said, return_counts=True)[1].tolist() == [times] * (DEVICES // len(kinds()))


def test_readings_lie_within_their_minute_and_can_be_stored() -> None:
    for one in minute():
        assert one.time.min() > END - MINUTE
        assert one.time.max() <= END
        assert set(one.columns) == {column for spec in one.stream.fields for column in spec.columns}
        assert b"".join(pack(one))


def test_within_some_hours_every_stream_is_heard() -> None:
    heard = {one.stream.name for n in range(0, 600, 2) for one in minute(END + n * MINUTE)}
    assert heard == set(streams())


def test_the_same_minute_is_the_same() -> None:
    for one, other in zip(minute(), minute(), strict=True):
        assert one.time.tolist() == other.time.tolist()
        assert [c.tobytes() for c in one.columns.values() if c.dtype != object] == [
            c.tobytes() for c in other.columns.values() if c.dtype != object
        ]
