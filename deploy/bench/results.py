"""What a benchmark found: figures by contestant and round, their medians, and ratios with spread. Pure."""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


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

    @property
    def subject(self) -> str:
        return f"{self.contestant} / {self.over}" if self.over else self.contestant


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
    failed: dict[str, str] = field(default_factory=dict)
    """contestants that could not take part, and why"""
    size: float | None = None
    """where the setting stands on the horizontal axis of its plot"""
    distributions: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """by contestant: percentile and figure, of all samples of all rounds"""

    def median(self, contestant: str) -> float:
        return statistics.median(self.figures[contestant])

    def ratio(self, contestant: str, over: str) -> tuple[float, float, float]:
        """Median, smallest and largest ratio of the rounds; rounds are paired, so drift of the machine cancels."""
        pairs = zip(self.figures[contestant], self.figures[over], strict=True)
        ratios = [one / other for one, other in pairs]
        return statistics.median(ratios), min(ratios), max(ratios)

    def judged(self) -> list[tuple[Target, tuple[float, float, float]]]:
        """Each target with what was measured: median, smallest, largest; those of contestants that failed are left
        out."""
        return [
            (t, self._measured(t)) for t in self.targets if {t.contestant, t.over or t.contestant} <= {*self.figures}
        ]

    def _measured(self, target: Target) -> tuple[float, float, float]:
        if target.over:
            return self.ratio(target.contestant, target.over)
        figures = self.figures[target.contestant]
        return statistics.median(figures), min(figures), max(figures)

    def as_json(self) -> dict[str, Any]:
        """What goes into the file; ``report`` reads it."""
        judged = [
            {"subject": target.subject, "demand": target.text, "met": target.met(value[0])}
            | dict(zip(("median", "least", "most"), value, strict=True))
            for target, value in self.judged()
        ]
        return asdict(self) | {"medians": {name: self.median(name) for name in self.figures}, "targets": judged}


def alternate(
    contestants: Mapping[str, Callable[[], float]], rounds: int, failed: dict[str, str] | None = None
) -> dict[str, list[float]]:
    """Run every contestant once a round; every other round in reverse, so that none always comes first.

    One that fails is left out from then on and its reason put into ``failed``; without that, its error is raised.
    """
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        order = list(figures)
        for name in order if number % 2 == 0 else reversed(order):
            try:
                figures[name].append(contestants[name]())
            except Exception as error:  # whatever it is that a peer cannot do, the others go on
                if failed is None:
                    raise
                del figures[name]
                failed[name] = (str(error).splitlines() or [repr(error)])[0]
                print(f"cityvitals: {name} is left out: {failed[name]}", file=sys.stderr, flush=True)
    return figures


def table(result: Result) -> str:
    """A result as lines for people."""
    lines = [f"{result.benchmark} · {result.setting} ({result.unit})"]
    for name, figures in result.figures.items():
        spread = f"{short(min(figures))} … {short(max(figures))}"
        lines.append(f"  {name:<28}{short(result.median(name)):>12}   {spread}")
    for target, (median, least, most) in result.judged():
        verdict = "met" if target.met(median) else "NOT met"
        found = f"{short(median)} ({short(least)} … {short(most)})"
        lines.append(f"  {target.subject}: {found}, target {target.text}: {verdict}")
    lines += [f"  {name} did not take part: {reason}" for name, reason in result.failed.items()]
    return "\n".join([*lines, *(f"  note: {note}" for note in result.notes)])


def short(value: float) -> str:
    """A figure as people read it: three digits, thousands in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
