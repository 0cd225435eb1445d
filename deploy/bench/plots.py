"""One SVG a benchmark, drawn with matplotlib, which the benchmarks fetch like a peer. Same results, same bytes."""

import io
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deploy.bench.results import short

Found = dict[str, Any]
OURS, OTHER, LIMIT = "#0b6e99", "#5aa9c8", "#444444"
PEERS = ("#c8783c", "#7a9a3a", "#9a6fb0", "#b0a040", "#b05060", "#8a8a8a", "#5c7a99")
_PEER = dict(zip(("numpy", "polars", "duckdb", "bytewax", "Node-RED", "paho", "gmqtt"), PEERS, strict=True))
LIMITS = ("mosquitto_sub", "raw COPY", "memory bandwidth")
_NINES = (50.0, 90.0, 99.0, 99.9)


def plots(results: Sequence[Found]) -> dict[str, str]:
    """The SVG of every benchmark among the results, by its name."""
    found: dict[str, list[Found]] = {}
    for result in results:
        found.setdefault(result["benchmark"], []).append(result)
    return {name: _DRAWN[name](members) for name, members in found.items()}


def _bars(results: Sequence[Found]) -> str:
    """Medians as bars, all rounds as dots."""
    figure, panels = _figure(1, height=0.45 * sum(len(r["figures"]) for r in results) + 1.0)
    axis, places = panels[0], list[str]()
    for result in results:
        for name, figures in result["figures"].items():
            place = -len(places)
            label = f"{name}" if len(results) == 1 else f"{result['setting']}: {name}"
            places.append(label)
            axis.barh(place, statistics.median(figures), color=_colour(name), height=0.62, alpha=0.85)
            axis.plot(figures, [place] * len(figures), ".", color="black", markersize=3.5)
            axis.annotate(f" {short(statistics.median(figures))}", (max(figures), place), va="center", fontsize=8)
    axis.set_yticks([-place for place in range(len(places))], places)
    axis.set_xlabel(results[0]["unit"])
    axis.margins(x=0.12)
    return _svg(figure)


def _curves(panels: Mapping[str, Sequence[Found]], across: str) -> str:
    """Medians against the size of the setting, rounds as a band; a panel each."""
    figure, axes = _figure(len(panels))
    for axis, (title, members) in zip(axes, panels.items(), strict=True):
        for name in dict.fromkeys(n for m in members for n in m["figures"]):
            having = [m for m in members if name in m["figures"] and m["size"] is not None]
            sizes = [m["size"] for m in having]
            figures = [m["figures"][name] for m in having]
            colour = _colour(name)
            axis.plot(sizes, [*map(statistics.median, figures)], "o-", color=colour, label=name, markersize=3.5)
            axis.fill_between(sizes, [*map(min, figures)], [*map(max, figures)], color=colour, alpha=0.15, linewidth=0)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.minorticks_off()
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(across)
        axis.set_ylabel(members[0]["unit"])
        axis.legend(fontsize=7, frameon=False)
    return _svg(figure)


def _fold(results: Sequence[Found]) -> str:
    orders = dict.fromkeys(result["setting"].split(", ")[1] for result in results)
    panels = {order: [r for r in results if r["setting"].endswith(order)] for order in orders}
    return _curves(panels, "devices")


def _tick(results: Sequence[Found]) -> str:
    return _curves({"one tick of the whole city": results}, "devices")


def _freshness(results: Sequence[Found]) -> str:
    """Percentiles on an axis of nines, a curve a rate: what the slowest readings see."""
    ways = list(dict.fromkeys(name for result in results for name in result["distributions"]))
    figure, axes = _figure(len(ways))
    for axis, way in zip(axes, ways, strict=True):
        for number, result in enumerate(r for r in results if way in r["distributions"]):
            points = result["distributions"][way]
            nines = [1 / (1 - min(percentile, 99.99) / 100) for percentile, _ in points]
            axis.plot(nines, [ms for _, ms in points], color=(OURS, *PEERS)[number], label=result["setting"])
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks([1 / (1 - p / 100) for p in _NINES], [f"{p:g} %" for p in _NINES])
        axis.minorticks_off()
        axis.set_title(way, fontsize=9)
        axis.set_xlabel("of the readings are faster")
        axis.set_ylabel("ms")
        axis.legend(fontsize=7, frameon=False)
    return _svg(figure)


def _scale(results: Sequence[Found]) -> str:
    """Every measure in a panel of its own, against devices and against rows in the table."""
    results = [result for result in results if result["size"] is not None]
    figure, axes = _figure(len({(_axis(r), n) for r in results for n in r["figures"]}), across=4)
    panel = iter(axes)
    for across in dict.fromkeys(map(_axis, results)):
        members = [result for result in results if _axis(result) == across]
        for name in dict.fromkeys(n for member in members for n in member["figures"]):
            axis = next(panel)
            having = [member for member in members if name in member["figures"]]
            sizes = [member["size"] for member in having]
            figures = [member["figures"][name] for member in having]
            axis.plot(sizes, [*map(statistics.median, figures)], "o-", color=OURS, markersize=3.5)
            axis.fill_between(sizes, [*map(min, figures)], [*map(max, figures)], color=OURS, alpha=0.15, linewidth=0)
            axis.set_xscale("log")
            axis.minorticks_off()
            axis.set_ylim(bottom=0)
            axis.set_title(name, fontsize=8)
            axis.set_xlabel(across, fontsize=8)
    return _svg(figure)


def _axis(result: Found) -> str:
    return str(result["setting"]).split(" ", 1)[1]


def _figure(count: int, *, across: int = 2, height: float | None = None) -> tuple[Any, Sequence[Any]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "cityvitals", "font.family": "sans-serif", "font.size": 8,
         "axes.spines.top": False, "axes.spines.right": False, "path.simplify": True}
    )  # fmt: skip
    rows = -(-count // across)
    figure = Figure(
        figsize=(8.4, height if height is not None else (3.2 if across == 2 else 2.2) * rows), layout="constrained"
    )
    made = [figure.add_subplot(rows, min(across, count), number + 1) for number in range(count)]
    return figure, made


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    return re.sub(r"[ \t]+\n", "\n", text.getvalue())


def _colour(name: str) -> str:
    for peer, colour in _PEER.items():
        if name.startswith(peer):
            return colour
    if name.startswith(LIMITS):
        return LIMIT
    return OTHER if name == "cityvitals, folding a second" else OURS


def _recompute(results: Sequence[Found]) -> str:
    """How many times as fast as the span passed; the counts beside it are mostly 0."""
    return _bars([{**one, "figures": dict([*one["figures"].items()][:1]), "unit": "× real time"} for one in results])


_DRAWN: dict[str, Callable[[Sequence[Found]], str]] = {
    "singles": _bars,
    "packs": _bars,
    "fold": _fold,
    "tick": _tick,
    "freshness": _freshness,
    "scale": _scale,
    "startup": _bars,
    "recompute": _recompute,
}
