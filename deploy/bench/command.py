"""`cityvitals bench`: runs benchmarks one after the other and says what they found."""

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.bench import machine
from deploy.bench.fold import fold
from deploy.bench.freshness import freshness
from deploy.bench.ingest import packs, singles
from deploy.bench.recompute import recompute
from deploy.bench.report import write
from deploy.bench.results import Result, table
from deploy.bench.scale import scale as scale_curve
from deploy.bench.startup import startup
from deploy.bench.tick import tick
from deploy.errors import DeployError
from deploy.settings import Settings

Benchmark = Callable[..., list[Result]]

BENCHMARKS: dict[str, Benchmark] = {
    "singles": singles,
    "packs": packs,
    "fold": fold,
    "tick": tick,
    "freshness": freshness,
    "scale": scale_curve,
    "startup": startup,
    "recompute": recompute,
}


def run_benchmarks(
    names: Sequence[str], settings: Settings, *, rounds: int, scale: float, file: Path | None = None
) -> int:
    """Run the named benchmarks, all unless any is named; write JSON to ``file`` as they finish.

    One that fails is reported, and the others go on; the exit code is then 1.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise DeployError(f"there is no benchmark {name!r}; it must be one of {', '.join(BENCHMARKS)}")
    if rounds < 1:
        raise DeployError(f"--rounds is {rounds}; it must be at least 1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go on this way out too
    results: list[dict[str, Any]] = []
    seconds: dict[str, float] = {}
    errors: dict[str, str] = {}
    found = {
        "machine": machine.describe(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": rounds,
        "scale": scale,
        "seconds": seconds,
        "errors": errors,
        "results": results,
    }
    print(json.dumps(found["machine"]), file=sys.stderr, flush=True)
    for name in names or BENCHMARKS:
        started = time.perf_counter()
        try:
            for result in BENCHMARKS[name](settings, rounds=rounds, scale=scale):
                print(table(result), flush=True)
                results.append(result.as_json())
        except Exception as error:
            errors[name] = (str(error).splitlines() or [repr(error)])[0]
            print(f"cityvitals: benchmark {name} failed: {type(error).__name__}: {errors[name]}", file=sys.stderr)
        seconds[name] = round(time.perf_counter() - started, 1)
        print(f"cityvitals: {name} took {seconds[name]:.0f} s", file=sys.stderr, flush=True)
        if file is not None:
            file.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if errors else 0


def write_report(files: Sequence[Path], settings: Settings) -> int:
    """Write docs/performance.md and its plots from JSON files of earlier runs; a later file goes before an earlier."""
    found = []
    for file in files:
        try:
            found.append(json.loads(file.read_text()))
        except (OSError, ValueError) as error:
            raise DeployError(f"{file} cannot be read: {error}; it must be a file that `bench --json` wrote") from error
    for path in write(found, settings.cache_dir):
        print(path)
    return 0
