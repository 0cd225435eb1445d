"""Recorded traces -> readings: a recording and a clock in, topics and payloads with their due times out."""

from collections.abc import Iterator
from pathlib import Path

from devices.city import City
from devices.recording.catalogue import Located, bundled, locate
from devices.recording.format import TraceError
from devices.recording.recording import Recording, Tally, in_words, read_recording
from devices.recording.schedule import Schedule, Speed, schedule
from devices.simulation.fleet import Birth
from devices.topics import Topics

__all__ = ["Recording", "Speed", "Tally", "TraceError", "births", "bundled", "in_words", "messages", "open_trace",
           "parse_speed", "start"]  # fmt: skip


def parse_speed(text: str) -> Speed:
    """``60``, ``0.5`` or ``max``; raises TraceError for anything else."""
    if text == "max":
        return "max"
    try:
        speed = float(text)
    except ValueError:
        speed = float("nan")
    if not 0 < speed < float("inf"):
        raise TraceError(f"speed is {text!r}, must be a number above 0 (1 is the recording's own pace), or max")
    return speed


def open_trace(folder_or_name: str | Path, city: City, map_file: str | Path | None = None) -> tuple[Recording, Located]:
    """Find and read a trace; raises TraceError saying which file, key or value is wrong."""
    located = locate(folder_or_name, map_file)
    return read_recording(located.folder, located.trace, city), located


def start(recording: Recording, now: int, speed: Speed) -> Schedule:
    """The recording's new clock, starting ``now`` (µs since 1970); raises TraceError for a speed too high for it."""
    return schedule(recording.first, recording.last, recording.least_gap, now, speed)


def births(recording: Recording, speed: float) -> list[Birth]:
    """The births of all devices of a recording that is replayed ``speed`` times as fast."""
    return [Birth(kind, device, meta) for kind, device, meta in recording.births(speed)]


def messages(recording: Recording, clock: Schedule, topics: Topics) -> Iterator[tuple[int, str, bytes]]:
    """(due, topic, payload) of every row in order; due in µs since 1970, never before the row's dateObserved."""
    for row in recording.rows:
        observed = clock(row.time)
        yield observed, topics.stream(row.stream, row.device), row.payload(observed)
