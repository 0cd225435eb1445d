"""What a benchmark found: rates by contestant and round, their medians, and ratios with spread. Pure."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

ROUNDS = 5


@dataclass(frozen=True)
class Target:
    """A demand on the ratio of two contestants, or on the figure of one (``over`` = '')."""

    contestant: str
    over: str
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    @property
    def text(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@dataclass
class Result:
    """Figures of one benchmark at one setting."""

    benchmark: str
    setting: str
    unit: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    """by contestant, one figure a round"""
    targets: Sequence[Target] = ()
    notes: list[str] = field(default_factory=list)

    def median(self, contestant: str) -> float:
        return statistics.median(self.figures[contestant])

    def ratio(self, contestant: str, over: str) -> tuple[float, float, float]:
        """Median, smallest and largest ratio of the rounds; rounds are paired, so drift of the machine cancels."""
        pairs = zip(self.figures[contestant], self.figures[over], strict=True)
        ratios = [one / other for one, other in pairs]
        return statistics.median(ratios), min(ratios), max(ratios)

    def judged(self) -> list[tuple[Target, tuple[float, float, float]]]:
        """Each target with what was measured: median, smallest, largest."""
        return [(t, self._measured(t)) for t in self.targets if t.contestant in self.figures]

    def _measured(self, target: Target) -> tuple[float, float, float]:
        if target.over:
            return self.ratio(target.contestant, target.over)
        figures = self.figures[target.contestant]
        return statistics.median(figures), min(figures), max(figures)

    def as_json(self) -> dict[str, Any]:
        judged = [
            asdict(target) | {"median": value[0], "least": value[1], "most": value[2], "met": target.met(value[0])}
            for target, value in self.judged()
        ]
        return asdict(self) | {"medians": {name: self.median(name) for name in self.figures}, "targets": judged}


def alternate(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run every contestant once a round; every other round in reverse, so that none always comes first."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        order = list(contestants)
        for name in order if number % 2 == 0 else reversed(order):
            figures[name].append(contestants[name]())
    return figures


def table(result: Result) -> str:
    """A result as lines for people."""
    lines = [f"{result.benchmark} · {result.setting} ({result.unit})"]
    for name, figures in result.figures.items():
        spread = f"{_short(min(figures))} … {_short(max(figures))}"
        lines.append(f"  {name:<28}{_short(result.median(name)):>12}   {spread}")
    for target, (median, least, most) in result.judged():
        what = f"{target.contestant} / {target.over}" if target.over else target.contestant
        verdict = "met" if target.met(median) else "NOT met"
        lines.append(f"  {what}: {_short(median)} ({_short(least)} … {_short(most)}), target {target.text}: {verdict}")
    return "\n".join([*lines, *(f"  note: {note}" for note in result.notes)])


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
