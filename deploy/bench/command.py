"""`cityvitals bench`: runs benchmarks one after the other and says what they found."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.bench import machine
from deploy.bench.core import fold, tick
from deploy.bench.freshness import freshness
from deploy.bench.ingest import packs, singles
from deploy.bench.results import Result, table
from deploy.bench.scale import scale as scale_curve
from deploy.bench.startup import startup
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
}


def run_benchmarks(
    names: Sequence[str], settings: Settings, *, rounds: int, scale: float, file: Path | None = None
) -> int:
    """Run the named benchmarks, all unless any is named; write JSON to ``file`` as they finish."""
    for name in names:
        if name not in BENCHMARKS:
            raise DeployError(f"there is no benchmark {name!r}; it must be one of {', '.join(BENCHMARKS)}")
    results: list[dict[str, Any]] = []
    report = {"machine": machine.describe(), "rounds": rounds, "scale": scale, "results": results}
    print(json.dumps(report["machine"]), file=sys.stderr, flush=True)
    for name in names or BENCHMARKS:
        for result in BENCHMARKS[name](settings, rounds=rounds, scale=scale):
            print(table(result), flush=True)
            results.append(result.as_json())
        if file is not None:
            file.write_text(json.dumps(report, indent=1) + "\n")
    return 0
