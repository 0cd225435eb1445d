"""What ``python -m tests.torture`` offers: the accounting test over seeds, and single measurements by name."""

import argparse
import logging
from collections import Counter
from collections.abc import Sequence

from tests.torture.faults import FAULTS
from tests.torture.measures import MEASURES
from tests.torture.run import SHORT, FailedRunError, Outcome, Profile, run_seed
from tests.torture.world import servers


def main(arguments: Sequence[str]) -> int:
    """Run; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=[1, 2, 3], help="such as 7, 1-20 or 3,5 (default 1-3)")
    parser.add_argument("--short", action="store_true", help="the size that is part of make test")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("measures", nargs="*", metavar="NAME", help=f"instead: {', '.join(MEASURES)}")
    options = parser.parse_args(arguments)
    unknown = set(options.measures) - MEASURES.keys()
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))} is no measurement, must be one of {', '.join(MEASURES)}")
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(asctime)s %(message)s")
    if options.measures:
        with servers() as made:
            passed = [MEASURES[name](made) for name in options.measures]
        return 0 if all(passed) else 1
    return _torture(options.seeds, SHORT if options.short else Profile())


def _torture(seeds: list[int], profile: Profile) -> int:
    fired: Counter[str] = Counter()
    failed = []
    with servers() as made:
        for seed in seeds:
            try:
                outcome = run_seed(made, seed, profile)
            except FailedRunError as error:
                outcome = error.outcome
                failed.append(seed)
                print(error, flush=True)
            fired.update(outcome.fired)
            print(_line(outcome), flush=True)
    never = [fault.name for fault in FAULTS if not fired[fault.name]]
    print(f"faults: {', '.join(f'{name} {count}' for name, count in sorted(fired.items()))}")
    if never:
        print(f"never fired: {', '.join(never)}")
    print(f"{len(seeds) - len(failed)} of {len(seeds)} seeds passed" + (f"; failed: {failed}" if failed else ""))
    return 1 if failed or (never and len(seeds) * profile.steps >= len(FAULTS)) else 0


def _line(outcome: Outcome) -> str:
    counts = outcome.verdict.counts
    words = [
        f"seed {outcome.seed:>3}",
        "failed" if outcome.verdict.failures else "passed",
        f"{outcome.seconds:.0f} s",
        f"stored {counts['stored']}",
        f"rejected {counts['rejected']}",
        f"duplicates {counts['duplicate']}",
        f"lost by the broker {len(outcome.verdict.lost_by_broker)}",
        f"resent {outcome.resent}",
        f"back after {outcome.back_after:.1f} s",
        " ".join(f"[{name}]" for name in outcome.fired),
    ]
    return "  ".join(words + [f"missed: {m}" for m in outcome.missed])


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds
