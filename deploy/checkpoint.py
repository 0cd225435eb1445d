"""How far a long job has come, in a small file, so that the same job goes on where it was interrupted."""

import json
import os
from hashlib import sha256
from pathlib import Path


class Checkpoint:
    """The progress of one job; ``key`` are the arguments that make it the same job."""

    def __init__(self, folder: Path, name: str, *key: str) -> None:
        digest = sha256("\0".join(key).encode()).hexdigest()[:16]
        self._file = folder / "jobs" / f"{name}-{digest}.json"

    def read(self) -> dict[str, int]:
        """What was written last; empty when the job begins. A file that cannot be read is no progress."""
        try:
            state = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        good = isinstance(state, dict) and all(type(value) is int for value in state.values())
        return state if good else {}

    def write(self, state: dict[str, int]) -> None:
        """Replace what was written, whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".part")
        unfinished.write_text(json.dumps(state), encoding="utf-8")
        os.replace(unfinished, self._file)

    def done(self) -> None:
        """Forget the job."""
        self._file.unlink(missing_ok=True)
