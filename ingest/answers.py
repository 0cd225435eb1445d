"""Tell a device why its message was refused, at a bounded rate. Pure: the clock is an argument."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from devices.topics import ROOT, Topics
from devices.units import format_instant
from ingest.batch import Rejection

RATE, BURST = 200, 2_000
"""answers a second, and how many at once after a pause"""
_SHOWN_PAYLOAD = 512
_MOST_AT_ONCE = 200
_MOST_KEPT = 2_048
"""bytes of a message that is kept until its answer is worded"""


class RateLimit:
    """A bucket of ``burst`` tokens that refills at ``rate`` tokens a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0
        self.refused = 0

    def allow(self, now: float) -> bool:
        """Take a token at time ``now`` (seconds, rising); False when there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            self.refused += 1
            return False
        self._tokens -= 1
        return True


class Answer(NamedTuple):
    """What a device is told."""

    topic: str
    payload: bytes
    correlation: bytes | None


class Answers:
    """Answers that wait to be sent: at once while there is nothing else to do, else at RATE, so that a flood of poison
    does not keep good readings waiting. Bounded: what exceeds RATE and BURST is not answered."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._allowed = RateLimit(RATE, BURST)
        self._sent = RateLimit(RATE, burst=20)
        self._waiting: deque[Answer | Rejection] = deque()
        """worded where the message is too large to be kept until its turn"""

    def put(self, rejections: Iterable[Rejection], now: float) -> None:
        """Answers to refused messages are due; ``now`` as in ``RateLimit.allow``."""
        for rejection in rejections:
            if rejection.delivery.reject_id is not None:
                continue  # whoever asked for the replay reads the outcome in the rejects
            if not self._allowed.allow(now):
                continue
            small = len(rejection.delivery.payload) <= _MOST_KEPT
            waiting = rejection if small else answer(rejection, self._topics)
            if waiting is not None:
                self._waiting.append(waiting)

    def due(self, now: float, *, busy: bool) -> list[Answer]:
        """What is to be sent now, oldest first; ``busy``: readings wait to be taken in."""
        due: list[Answer] = []
        while self._waiting and len(due) < _MOST_AT_ONCE and (not busy or self._sent.allow(now)):
            waiting = self._waiting.popleft()
            reply = answer(waiting, self._topics) if isinstance(waiting, Rejection) else waiting
            if reply is not None:
                due.append(reply)
        return due


def answer(rejection: Rejection, topics: Topics) -> Answer | None:
    """The answer to a refused message; None when nobody can be addressed."""
    delivery = rejection.delivery
    topic = delivery.response_topic or _error_topic(delivery.topic, topics)
    if topic is None or not _can_publish(topic) or _is_of_system(topic, delivery.topic):
        return None
    body = {
        "reason": rejection.reason,
        "detail": rejection.detail,
        "stream": rejection.stream,
        "device": rejection.device,
        "topic": delivery.topic,
        "receivedAt": format_instant(delivery.received),
        "item": rejection.item,
        "payload": rejection.payload[:_SHOWN_PAYLOAD].decode("utf-8", "replace"),
    }
    payload = orjson.dumps({key: value for key, value in body.items() if value is not None})
    return Answer(topic, payload, delivery.correlation)


def _error_topic(topic: str, topics: Topics) -> str | None:
    """The err topic of whoever published on a topic, when its levels name somebody, be they well formed or not."""
    levels = topic.split("/")
    if len(levels) >= 4 and levels[1] == topics.city and levels[2] and levels[3]:
        return topics.error(levels[2], levels[3])
    return None


def _is_of_system(topic: str, asked_on: str) -> bool:
    """Whether an answer there would be taken for something else: a reading, an output, a command, a word to another.

    The pipeline may publish where its callers may not, so they do not choose freely. A device's own topics are its own.
    """
    if topic.startswith("$"):
        return True
    if not topic.startswith(f"{ROOT}/"):
        return False
    levels, own = topic.split("/"), asked_on.split("/")
    return levels[:4] != own[:4] or len(levels) < 5 or levels[4] not in ("err", "cmd")


def _can_publish(topic: str) -> bool:
    return not any(character in topic for character in "+#\x00") and len(topic.encode()) <= 65_535
