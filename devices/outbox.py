"""What a publisher was given and the broker has not acknowledged yet: a bounded queue, a window, and counters.

Knows nothing of MQTT's wire or sockets; the publishing threads put in, the connection's thread takes out.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Stop = Callable[[], bool]


class PublishError(Exception):
    """A message cannot be handed to the broker: wrong address, no access, or the publisher was closed."""


@dataclass(frozen=True)
class Message:
    """One MQTT message to be sent."""

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str | None = None
    expiry: int | None = None


@dataclass(frozen=True)
class Progress:
    """Counters since the publisher was made; ``pending`` is what the broker has not acknowledged yet."""

    published: int
    acknowledged: int
    refused: int
    pending: int
    resent: int
    connections: int
    connected: bool
    trouble: str


class Outbox:
    """Messages between ``put`` and the broker's acknowledgement; nothing leaves it in any other way but refusal."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.capacity = 4 * window
        self.changed = threading.Condition()
        self.connected = False
        self.closing = False
        self.fatal: str | None = None
        self.trouble = ""
        self._limit = window
        self._queue: deque[Message] = deque()
        self._pending: dict[int, Message] = {}
        self._published = self._acknowledged = self._refused = self._resent = self._connections = 0
        self._asleep = False
        self._paused_until = 0.0

    def put(self, message: Message, stop: Stop | None) -> tuple[bool, bool]:
        """Queue a message, waiting for room; returns (accepted, the connection sleeps and must be woken)."""
        with self.changed:
            while True:
                if self.fatal or self.closing:
                    raise PublishError(self.fatal or "the publisher is closed")
                if len(self._queue) < self.capacity:
                    break
                if stop is not None and stop():
                    return False, False
                self.changed.wait(0.2)
            self._queue.append(message)
            self._published += 1
            asleep, self._asleep = self._asleep, False
        return True, asleep

    def wait_empty(self, timeout: float | None, stop: Stop | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            while self._queue or self._pending:
                if self.fatal or (stop is not None and stop()):
                    return False
                left = 0.2 if deadline is None else min(0.2, deadline - time.monotonic())
                if left <= 0:
                    return False
                self.changed.wait(left)
        return True

    def wait_for(self, condition: Callable[[], object], timeout: float) -> None:
        with self.changed:
            self.changed.wait_for(condition, timeout)

    @property
    def progress(self) -> Progress:
        with self.changed:
            return Progress(
                self._published,
                self._acknowledged,
                self._refused,
                len(self._queue) + len(self._pending),
                self._resent,
                self._connections,
                self.connected,
                self.trouble,
            )

    def close(self) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify_all()

    def fail(self, reason: str) -> None:
        """Give up for good: whoever publishes or waits is told why."""
        with self.changed:
            self.fatal = reason
            self.changed.notify_all()

    # --- for the connection's thread ---

    def opened(self, receive_maximum: int) -> None:
        """The broker accepted the connection and takes at most ``receive_maximum`` messages at a time."""
        with self.changed:
            self._limit = min(self.window, receive_maximum)
            self._connections += 1
            self.connected = True
            self.trouble = ""
            self.changed.notify_all()

    def lost(self) -> None:
        """Put what was not acknowledged back in front of the queue, in its old order."""
        with self.changed:
            self.connected = False
            self._resent += len(self._pending)
            self._queue.extendleft(reversed(self._pending.values()))
            self._pending.clear()
            self.changed.notify_all()

    def patience(self) -> float:
        """How long the connection may wait for the network, in seconds; 0 when there is something to send now."""
        with self.changed:
            if self.closing:
                return 0.0
            if self.connected and self._queue and len(self._pending) < self._limit:
                return max(0.0, self._paused_until - time.monotonic())
            self._asleep = True
            return 1.0

    def send(self, hand_over: Callable[[Message], int | str]) -> None:
        """Pass queued messages to ``hand_over`` as far as the window allows.

        It returns the message id under which the acknowledgement will come, or a reason why it cannot be sent.
        """
        with self.changed:
            if not self.connected or time.monotonic() < self._paused_until:
                return
            room = min(self._limit - len(self._pending), len(self._queue))
            for _ in range(room):
                message = self._queue.popleft()
                outcome = hand_over(message)
                if isinstance(outcome, int):
                    self._pending[outcome] = message
                else:
                    self._refuse(message, outcome)
            if room > 0:
                self.changed.notify_all()

    def acknowledged(self, mid: int) -> None:
        with self.changed:
            if self._pending.pop(mid, None) is None:
                return
            self._acknowledged += 1
            if not self._pending or len(self._pending) % 64 == 0:
                self.changed.notify_all()

    def refused(self, mid: int, reason: str, *, try_again: bool) -> None:
        with self.changed:
            message = self._pending.pop(mid, None)
            if message is None:
                return
            if try_again:
                self._queue.appendleft(message)
                self._resent += 1
                self._paused_until = time.monotonic() + 0.2
                self.trouble = f"the broker asks to wait: {reason}"
            else:
                self._refuse(message, reason)
            self.changed.notify_all()

    def _refuse(self, message: Message, reason: str) -> None:
        self._refused += 1
        self.trouble = f"message to {message.topic} refused: {reason}"
