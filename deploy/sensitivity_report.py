"""How stable the ranks of areas are, as text, JSON and picture. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from rich.table import Table

from processing.sensitivity import Stability

ENDS = 3
"""places that count as among the best or worst"""
_LEFT, _TOP, _ROW, _WIDTH = 150, 56, 24, 720


def rows(outcome: Stability, places: int = ENDS) -> list[dict[str, Any]]:
    """One line an area, best first."""
    low, median, high = outcome.interval()
    best, worst = outcome.among(places, best=True), outcome.among(places, best=False)
    return [
        {
            "area": area,
            "score": round(float(outcome.score[i]), 3),
            "rank": float(outcome.rank[i]),
            "medianRank": float(median[i]),
            "rank5": float(low[i]),
            "rank95": float(high[i]),
            "amongBest": round(float(best[i]), 4),
            "amongWorst": round(float(worst[i]), 4),
        }
        for i, area in enumerate(outcome.areas)
    ]


def document(outcome: Stability, frame: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as JSON; ``frame`` says what was asked."""
    return {
        **frame,
        "areas": rows(outcome),
        "shiftOfRank": _spread(outcome.shift),
        "spearman": _spread(outcome.spearman),
        "kendall": _spread(outcome.kendall),
        "effects": [
            {"inputs": e.group, "first": round(e.first, 4), "total": round(e.total, 4)} for e in outcome.effects
        ],
    }


def markdown(outcome: Stability, names: Mapping[str, str]) -> str:
    """Tables of ranks, of agreement with the shipped ranking, and of what moves it."""
    ranks = [
        f"| {names[row['area']]} | {row['score']:.1f} | {row['rank']:g} | {row['medianRank']:g} |"
        f" {row['rank5']:g}–{row['rank95']:g} | {row['amongBest']:.0%} | {row['amongWorst']:.0%} |"
        for row in rows(outcome)
    ]
    agreement = [
        f"| {name} | {spread['p5']:.2f} | {spread['median']:.2f} | {spread['p95']:.2f} |"
        for name, spread in (
            ("mean shift of rank, places", _spread(outcome.shift)),
            ("Spearman with the given ranking", _spread(outcome.spearman)),
            ("Kendall with the given ranking", _spread(outcome.kendall)),
        )
    ]
    lines = [
        f"| area | score | rank | median | 5–95 % | among the best {ENDS} | among the worst {ENDS} |",
        "|---|---|---|---|---|---|---|",
        *ranks,
        "",
        "| over all samples | 5 % | median | 95 % |",
        "|---|---|---|---|",
        *agreement,
    ]
    if outcome.effects:
        lines += ["", "| what is varied | alone | with all others |", "|---|---|---|"]
        lines += [f"| {e.group} | {max(0.0, e.first):.2f} | {max(0.0, e.total):.2f} |" for e in outcome.effects]
    return "\n".join(lines)


def tables(outcome: Stability, names: Mapping[str, str]) -> list[Table]:
    """The same for a terminal."""
    found = []
    for block in markdown(outcome, names).split("\n\n"):
        head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        table = Table(box=None, header_style="bold")
        for i, title in enumerate(head):
            table.add_column(title, justify="left" if i == 0 else "right")
        for line in lines:
            table.add_row(*line)
        found.append(table)
    return found


def picture(outcome: Stability, names: Mapping[str, str], caption: str) -> str:
    """An SVG: for each area, best first, the 5–95 % interval of its rank, its median and the given rank."""
    listed = rows(outcome)
    last = len(listed)
    step = (_WIDTH - _LEFT - 30) / max(1, last - 1)
    height = _TOP + _ROW * last + 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"',
        f' font-size="12" width="{_WIDTH}" height="{height}" role="img">',
        f"<title>{escape(caption)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="14" fill="#1c2733">{escape(caption)}</text>',
    ]
    for place in range(1, last + 1):
        x = _LEFT + (place - 1) * step
        parts.append(
            f'<path d="M{x:.1f} {_TOP - 8}V{_TOP + _ROW * last}" stroke="#e3e8ee"/>'
            f'<text x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle" fill="#5b6b7b">{place}</text>'
        )
    for i, row in enumerate(listed):
        parts += _bar(row, names[row["area"]], _TOP + _ROW * i + _ROW / 2, step)
    legend = "bar: 5–95 % of the samples · dot: median · upright line: rank under the given policy"
    parts.append(f'<text x="12" y="{height - 14}" fill="#5b6b7b">{legend}</text></svg>')
    return "\n".join(parts) + "\n"


def _bar(row: Mapping[str, Any], name: str, y: float, step: float) -> list[str]:
    low, high, median, rank = (_LEFT + (row[key] - 1) * step for key in ("rank5", "rank95", "medianRank", "rank"))
    return [
        f'<text x="{_LEFT - 14}" y="{y + 4:.1f}" text-anchor="end" fill="#1c2733">{escape(name)}</text>',
        f'<path d="M{low - 4:.1f} {y:.1f}H{high + 4:.1f}" stroke="#9cc3e6" stroke-width="9"/>',
        f'<path d="M{rank:.1f} {y - 8:.1f}V{y + 8:.1f}" stroke="#1c2733" stroke-width="2"/>',
        f'<circle cx="{median:.1f}" cy="{y:.1f}" r="4" fill="#0b62b0"/>',
    ]


def _spread(values: Any) -> dict[str, float]:
    known: Sequence[float] = np.nanquantile(values, (0.05, 0.5, 0.95)).tolist()
    return {name: round(value, 4) for name, value in zip(("p5", "median", "p95"), known, strict=True)}
