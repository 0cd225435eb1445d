"""Why a score changed: effects that add up to the change, by indicator and by sub-area. Pure; formulas in ``why``."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from processing.method import FLOOR
from processing.why import COMPOSITE, EXACT, Effect, Picture, judged_score, slope_at, split_by_area


@dataclass(frozen=True)
class _Side:
    """A part before or after: its share of the weight and what is averaged, its score or the logarithm of it."""

    share: float
    level: float


def effects(before: Picture, after: Picture, index: str) -> list[Effect]:
    """What changed a score, by indicator, kind and sub-area; empty unless it is there before and after."""
    old, new = before.judged(index).score, after.judged(index).score
    if old is None or new is None:
        return []
    return _closed(_effects(before, after, index), new - old)


def _effects(before: Picture, after: Picture, index: str) -> list[Effect]:
    if index in before.terms.goalposts or index in after.terms.goalposts:
        return _of_indicator(before, after, index)
    if index == COMPOSITE:
        return _of_whole(before, after, index, _names(before, after, lambda p: p.terms.domains), _logarithm)
    return _of_whole(before, after, index, _names(before, after, lambda p: p.terms.members(index)), float)


def _names(before: Picture, after: Picture, of: Callable[[Picture], list[str]]) -> list[str]:
    return list(dict.fromkeys([*of(before), *of(after)]))


def _logarithm(score: float) -> float:
    return math.log(max(score, FLOOR))


def _of_whole(
    before: Picture, after: Picture, index: str, names: Sequence[str], level: Callable[[float], float]
) -> list[Effect]:
    """A weighted mean of ``level``: the composite's of logarithms, a domain's of scores."""
    sides = [_sides(picture, names, level) for picture in (before, after)]
    old, new = (sum(side.share * side.level for side in parts.values()) for parts in sides)
    centre = (old + new) / 2
    scale = 1.0
    if index == COMPOSITE:
        scale = (math.exp(new) - math.exp(old)) / (new - old) if abs(new - old) > EXACT else math.exp(centre)
    found: list[Effect] = []
    for name in names:
        one, two = sides[0].get(name), sides[1].get(name)
        if one is not None and two is not None:
            share, middle = (one.share + two.share) / 2, (one.level + two.level) / 2
            found += _inside(before, after, name, scale * share * (two.level - one.level), scale * share)
            found.append(Effect(name, "weight", scale * (two.share - one.share) * (middle - centre)))
        elif two is not None:
            found.append(Effect(name, "appeared", scale * two.share * (two.level - centre)))
        elif one is not None:
            found.append(Effect(name, "vanished", -scale * one.share * (one.level - centre)))
    return [effect for effect in found if effect.points]


def _sides(picture: Picture, names: Sequence[str], level: Callable[[float], float]) -> dict[str, _Side]:
    weights = {
        name: weight
        for name in names
        if (weight := picture.terms.weights.get(name, 0.0)) and picture.judged(name).score is not None
    }
    total = sum(weights.values())
    return {name: _Side(weight / total, level(picture.judged(name).score or 0.0)) for name, weight in weights.items()}


def _inside(before: Picture, after: Picture, name: str, points: float, limit: float) -> list[Effect]:
    """The effect of a part's own change, ``points``, shared out over what changed in the part.

    ``limit``: points of the whole that a point of the level brings, for a part whose ups and downs cancel out.
    """
    inner = effects(before, after, name)
    if not inner:
        return []
    old, new = before.judged(name).score or 0.0, after.judged(name).score or 0.0
    if abs(new - old) > EXACT:
        factor = points / (new - old)
    else:
        factor = limit if name in after.terms.goalposts else (limit / max(old, FLOOR) if old >= FLOOR else 0.0)
    return _closed([replace(effect, points=effect.points * factor) for effect in inner], points)


def _of_indicator(before: Picture, after: Picture, index: str) -> list[Effect]:
    old, new = before.judged(index), after.judged(index)
    posts = after.terms.goalposts.get(index, ())
    if old.value is None or new.value is None or not posts:
        return []
    moved = judged_score(old.value, posts)
    measured = (new.score or 0.0) - moved
    found = [Effect(index, "goalposts", moved - (old.score or 0.0))] if moved != old.score else []
    return [*found, *_by_area(before, after, index, measured)]


def _by_area(before: Picture, after: Picture, index: str, points: float) -> list[Effect]:
    """The points of what was measured, by sub-area: each one's own change, and how its share of the base moved."""
    sides = [{area: (value, share) for area, value, share, _ in split_by_area(p, index)} for p in (before, after)]
    old, new = (picture.judged(index).value or 0.0 for picture in (before, after))
    if not sides[0] or not sides[1]:
        return [Effect(index, "measured", points)]
    centre = (old + new) / 2
    steep = slope_at(after.terms.goalposts[index], new)
    factor = points / (new - old) if abs(new - old) > EXACT * max(1.0, abs(new)) else steep
    found = []
    for area in dict.fromkeys([*sides[0], *sides[1]]):
        was, share_was = sides[0].get(area, (centre, 0.0))
        now, share_now = sides[1].get(area, (centre, 0.0))
        own = (share_was + share_now) / 2 * (now - was) + (share_now - share_was) * ((was + now) / 2 - centre)
        found.append(Effect(index, "measured", factor * own, area))
    return _closed(found, points)


def _closed(found: list[Effect], points: float) -> list[Effect]:
    """The effects with what rounding leaves; a larger rest is named."""
    left = points - math.fsum(effect.points for effect in found)
    if abs(left) > 1e-6 or not found:
        return [*found, Effect("unexplained", "unexplained", left)] if left else found
    largest = max(range(len(found)), key=lambda i: abs(found[i].points))
    return [replace(e, points=e.points + left) if i == largest else e for i, e in enumerate(found)]
