"""Writes the measured part of docs/performance.md and its plots from the JSON of benchmark runs.

What people wrote around the two marks stays as it is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.bench.installed import use_python_packages
from deploy.bench.plots import plots
from deploy.bench.results import short
from deploy.errors import DeployError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "performance.md"
PICTURES = Path("pictures") / "performance"
BEGIN, END = "<!-- measured: written by `cityvitals bench --report` -->", "<!-- measured: end -->"
ORDER = ("singles", "packs", "fold", "tick", "freshness", "scale", "startup", "recompute")
TITLES = {
    "singles": "Single readings",
    "packs": "Packs of 100 readings",
    "fold": "Fold of readings into panes",
    "tick": "Tick over the city",
    "freshness": "Freshness",
    "scale": "Scale",
    "startup": "Start-up",
    "recompute": "Recompute",
}

Found = dict[str, Any]
"""what ``bench --json`` wrote"""


def write(found: Sequence[Found], cache: Path) -> list[Path]:
    """Write document and plots; returns the files."""
    results = merged(found)
    use_python_packages(cache)
    folder = DOCUMENT.parent / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    written = [DOCUMENT]
    for name, svg in plots(results).items():
        path = folder / f"{name}.svg"
        path.write_text(svg)
        written.append(path)
    DOCUMENT.write_text(placed(DOCUMENT.read_text(), measured(found, results)))
    return written


def merged(found: Sequence[Found]) -> list[Found]:
    """The results of all files in the order of the benchmarks; of the same setting the last one counts."""
    newest: dict[tuple[str, str], Found] = {}
    for one in found:
        for result in one["results"]:
            newest[result["benchmark"], result["setting"]] = result
    return sorted(newest.values(), key=lambda result: ORDER.index(result["benchmark"]))


def placed(document: str, text: str) -> str:
    """The document with ``text`` between its marks."""
    if document.count(BEGIN) != 1 or document.count(END) != 1 or document.index(BEGIN) > document.index(END):
        raise DeployError(f"{DOCUMENT} must hold the line {BEGIN!r} once and after it {END!r} once")
    before, rest = document.split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}"


def measured(found: Sequence[Found], results: Sequence[Found]) -> str:
    """The measured part as Markdown."""
    names = dict.fromkeys(result["benchmark"] for result in results)
    sections = [_benchmark(name, [result for result in results if result["benchmark"] == name]) for name in names]
    return "\n".join([_machine(found), _targets(results), *sections])


def _machine(found: Sequence[Found]) -> str:
    lines = ["## The machine", ""]
    machines = {tuple(sorted((k, str(v)) for k, v in one["machine"].items() if k != "load")) for one in found}
    if len(machines) > 1:
        lines += ["The runs are from different machines; compare within one benchmark only.", ""]
    for one in found:
        about = one["machine"]
        lines.append(
            f"- {one['at'][:16].replace('T', ' ')} UTC: {about['cores']} × {about['processor']},"
            f" {about['memoryMegabytes'] / 1024:.0f} GB, {about['system'].split('-with')[0]}, Python {about['python']},"
            f" numpy {about['numpy']}; load before {about['load'][0]:.1f}; {one['rounds']} rounds"
            + (f", {one['scale']:g} of the full amount of data" if one["scale"] != 1 else "")
            + f"; took {sum(one['seconds'].values()) / 60:.0f} min"
        )
        lines += [f"  - `{name}` failed: {error}" for name, error in one["errors"].items()]
    return "\n".join([*lines, ""])


def _targets(results: Sequence[Found]) -> str:
    lines = [
        "## Targets and results",
        "",
        "| benchmark | what | target | median (least … most) | |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        for target in result["targets"]:
            spread = f"{short(target['median'])} ({short(target['least'])} … {short(target['most'])})"
            verdict = "met" if target["met"] else "**not met**"
            what = f"{result['benchmark']}, {result['setting']}"
            lines.append(f"| {what} | {target['subject']} | {target['demand']} | {spread} | {verdict} |")
    return "\n".join([*lines, ""])


def _benchmark(name: str, results: Sequence[Found]) -> str:
    lines = [f"## {TITLES[name]}", "", f"![{TITLES[name]}]({PICTURES.as_posix()}/{name}.svg)", ""]
    tables: dict[tuple[str, ...], list[Found]] = {}
    for result in results:
        tables.setdefault((result["unit"], *result["figures"]), []).append(result)
    for (unit, *names), members in tables.items():
        lines += [f"| {unit} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for result in members:
            cells = [_cell(result["figures"][each]) for each in names]
            lines.append(f"| {result['setting']} | " + " | ".join(cells) + " |")
        lines.append("")
    notes = [note for result in results for note in result["notes"]]
    notes += [f"{peer} did not take part: {why}" for result in results for peer, why in result["failed"].items()]
    lines += [f"- {note}" for note in dict.fromkeys(notes)]
    return "\n".join([*lines, ""])


def _cell(figures: Sequence[float]) -> str:
    """Median and spread of the rounds."""
    ordered = sorted(figures)
    size = len(ordered)
    median = (ordered[(size - 1) // 2] + ordered[size // 2]) / 2
    return short(median) if size == 1 else f"{short(median)} <sub>{short(ordered[0])} … {short(ordered[-1])}</sub>"
