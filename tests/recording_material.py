"""What tests of recordings share: a trace written to a folder and read again."""

from pathlib import Path
from typing import Any

import orjson

from devices.city import City
from devices.recording.format import parse_trace
from devices.recording.recording import Recording, read_recording

NOW = 1_900_000_000_000_000


def record(folder: Path, city: City, toml: str, **files: str | bytes) -> Recording:
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_recording(folder, parse_trace(toml, "trace.toml"), city)


def readings(recording: Recording) -> list[dict[str, Any]]:
    return [{"device": row.device, **orjson.loads(row.payload(row.time))} for row in recording.rows]
