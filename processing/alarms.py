"""Alarms of the system about itself: what may have cost readings, or will. Pure; words of ISA-18.2 and X.733.

A condition is active while it lasts. An event (the broker lost something) stays active for an hour, so that somebody
sees it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Severity = Literal["CRITICAL", "MAJOR", "WARNING"]

SHOWN_FOR = 3_600 * 1_000_000
"""µs that an event stays active"""


@dataclass(frozen=True)
class Rule:
    """One alarm. ``figure`` is one of the pipeline's state: an event is its rise, a condition its being true."""

    id: str
    severity: Severity
    figure: str
    is_event: bool
    zh: str
    en: str


RULES: tuple[Rule, ...] = (
    Rule(
        "spool_full",
        "CRITICAL",
        "spoolFull",
        False,
        "缓存已满：数据库恢复之前不再确认任何消息",
        "Spool full: nothing more is acknowledged until the database is back",
    ),
    Rule(
        "database_away",
        "MAJOR",
        "databaseAway",
        False,
        "数据库不可用：读数暂存于磁盘缓存",
        "Database away: readings are kept in the spool",
    ),
    Rule(
        "session_lost",
        "MAJOR",
        "sessionsLost",
        True,
        "消息代理丢失了会话：排队的消息可能丢失",
        "The broker lost the session: messages it had queued may be lost",
    ),
    Rule(
        "broker_dropped",
        "MAJOR",
        "brokerDropped",
        True,
        "消息代理丢弃了消息",
        "The broker dropped messages",
    ),
    Rule(
        "spool_damaged",
        "MAJOR",
        "spoolQuarantined",
        True,
        "缓存有损坏：损坏部分已隔离",
        "Spool damaged: the damaged part is set aside",
    ),
    Rule(
        "policy_refused",
        "WARNING",
        "policyRefused",
        False,
        "评价规则文件有误：沿用原有规则",
        "The policy file is wrong: the policy before stays in force",
    ),
)


@dataclass(frozen=True)
class Alarm:
    """An alarm that was raised; ``until`` is set once it is over (µs since 1970)."""

    rule: Rule
    since: int
    until: int | None = None
    count: int = 0
    """of an event: how often it has happened since the process began"""
    detail: str | None = None
    """of a condition: its reason, if the state gives one"""

    def document(self, iso: Callable[[int], str]) -> dict[str, Any]:
        """The alarm as clients read it; ``iso`` prints an instant."""
        return {
            "id": self.rule.id,
            "severity": self.rule.severity,
            "state": "ACTIVE_UNACK" if self.until is None else "CLEARED_UNACK",
            "since": iso(self.since),
            "clearedAt": None if self.until is None else iso(self.until),
            "count": self.count,
            "text": {"zh": self.rule.zh, "en": self.rule.en},
            "detail": self.detail,
        }


class AlarmBook:
    """Raises and clears alarms from the state the pipeline tells at each tick."""

    def __init__(self) -> None:
        self._alarms: dict[str, Alarm] = {}
        self._last: dict[str, int] = {}

    @property
    def active(self) -> list[Alarm]:
        """Alarms that are not over, in the order of the rules."""
        return [a for rule in RULES if (a := self._alarms.get(rule.id)) is not None and a.until is None]

    def update(self, state: Mapping[str, Any], at: int) -> list[Alarm]:
        """Take the state at ``at`` (µs since 1970); returns the alarms that changed."""
        changed = []
        for rule in RULES:
            before = self._alarms.get(rule.id)
            after = self._event(rule, state, at) if rule.is_event else self._condition(rule, state.get(rule.figure), at)
            if after is not None and after != before:
                self._alarms[rule.id] = after
                changed.append(after)
        return changed

    def _condition(self, rule: Rule, figure: Any, at: int) -> Alarm | None:
        alarm = self._alarms.get(rule.id)
        detail = figure if isinstance(figure, str) else None
        if alarm is None or alarm.until is not None:
            return Alarm(rule, at, detail=detail) if figure else alarm
        return replace(alarm, detail=detail) if figure else replace(alarm, until=at)

    def _event(self, rule: Rule, state: Mapping[str, Any], at: int) -> Alarm | None:
        alarm, count = self._alarms.get(rule.id), int(state.get(rule.figure) or 0)
        rose, self._last[rule.id] = count > self._last.get(rule.id, 0), count
        if rose:
            return Alarm(rule, at, count=count)
        if alarm is not None and alarm.until is None and at - alarm.since > SHOWN_FOR:
            return replace(alarm, until=at)
        return alarm
