"""The grammar of MQTT topics: ``cv1/{city}/{kind}/{device}/…`` upwards, ``cv1/{city}/out/…`` downwards.

Pure: names in, names out.
"""

import re
from dataclasses import dataclass
from typing import Literal

from devices.contract import Flaw, Kind, Stream, shown

Channel = Literal["tele", "event", "meta", "status"]

ROOT = "cv1"
GRAMMAR = "cv1/{city}/{kind}/{device}/ followed by tele, event/{type}, meta or status"
MAX_DEVICE_LENGTH = 128
SYSTEM_TOPICS = (f"{ROOT}/+/out/#", f"{ROOT}/+/in/#", f"{ROOT}/+/+/+/err", f"{ROOT}/+/+/+/ack/#")
"""where only the system itself speaks: what it says to all, its commands to itself, its answers to devices"""

_DOWNLINK = frozenset({"cmd", "err", "ack"})
_BAD_DEVICE = re.compile(r"[+#/\x00-\x1f\x7f\x80-\x9f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True)
class Address:
    """What a topic says: which device speaks, on which channel, and the stream its readings belong to."""

    kind: str
    device: str
    channel: Channel
    stream: Stream | None = None


@dataclass(frozen=True)
class Topics:
    """Builds and reads the topics of one city."""

    city: str
    kinds: dict[str, Kind]

    @property
    def everything(self) -> str:
        """The one subscription of ingest: all that devices of this city publish, well addressed or not."""
        return f"{ROOT}/{self.city}/#"

    def telemetry(self, kind: str, device: str) -> str:
        return f"{ROOT}/{self.city}/{kind}/{device}/tele"

    def event(self, kind: str, device: str, event: str) -> str:
        return f"{ROOT}/{self.city}/{kind}/{device}/event/{event}"

    def stream(self, stream: Stream, device: str) -> str:
        """The topic on which ``device`` publishes readings of ``stream``."""
        if not stream.is_event:
            return self.telemetry(stream.kind, device)
        return self.event(stream.kind, device, stream.name.removeprefix(f"{stream.kind}_"))

    def meta(self, kind: str, device: str) -> str:
        return f"{ROOT}/{self.city}/{kind}/{device}/meta"

    def status(self, kind: str, device: str) -> str:
        return f"{ROOT}/{self.city}/{kind}/{device}/status"

    def error(self, kind: str, device: str) -> str:
        return f"{ROOT}/{self.city}/{kind}/{device}/err"

    def watermark(self, stream: Stream, device: str) -> str:
        """Where ``device`` reads what is committed of ``stream``: ``…/ack``, or ``…/ack/{type}`` of an event."""
        end = f"/{stream.name.removeprefix(f'{stream.kind}_')}" if stream.is_event else ""
        return f"{ROOT}/{self.city}/{stream.kind}/{device}/ack{end}"

    @property
    def watermarks(self) -> str:
        """The subscription to the watermarks of all devices of this city."""
        return f"{ROOT}/{self.city}/+/+/ack/#"

    def vitals(self, area: str) -> str:
        return f"{ROOT}/{self.city}/out/{area}"

    @property
    def tick(self) -> str:
        """Closes each tick: published after the vitals of all areas, with the pipeline's own state."""
        return f"{ROOT}/{self.city}/out/tick"

    def incident(self, incident: str) -> str:
        return f"{ROOT}/{self.city}/out/incident/{incident}"

    def command(self, name: str) -> str:
        """A command of the api to the pipeline: ``registry``, ``replay`` or ``marks``."""
        return f"{ROOT}/{self.city}/in/{name}"

    def read(self, topic: str) -> Address | Flaw | None:
        """Parse an uplink topic.

        None means it is none of ingest's business (an output, a command or an answer);
        a Flaw carries reason ``topic`` or ``unknown_kind``.
        """
        levels = topic.split("/")
        if len(levels) < 3 or levels[0] != ROOT or levels[1] != self.city:
            return Flaw("topic", f"topic is {shown(topic)}, must be {GRAMMAR}")
        if levels[2] in ("out", "in") or (len(levels) >= 5 and levels[4] in _DOWNLINK):
            return None
        if len(levels) not in (5, 6):
            return Flaw("topic", f"topic is {shown(topic)}, must be {GRAMMAR}")
        kind, device, channel = levels[2:5]
        if kind not in self.kinds:
            return Flaw("unknown_kind", f"kind is {shown(kind)}, must be one of {', '.join(self.kinds)}")
        flaw = device_flaw(device)
        if flaw is not None:
            return flaw
        return self._channel(topic, kind, device, channel, levels[5:])

    def _channel(self, topic: str, kind: str, device: str, channel: str, rest: list[str]) -> Address | Flaw:
        if channel == "tele" and not rest:
            return Address(kind, device, "tele", self.kinds[kind].stream)
        if channel == "event" and rest:
            stream = self.kinds[kind].event_streams.get(rest[0])
            if stream is not None:
                return Address(kind, device, "event", stream)
            known = ", ".join(self.kinds[kind].events)
            right = f"must be one of {known}" if known else f"must not be there: {kind} has no events"
            return Flaw("topic", f"event is {shown(rest[0])}, {right}")
        if channel in ("meta", "status") and not rest:
            return Address(kind, device, "meta" if channel == "meta" else "status")
        return Flaw("topic", f"topic is {shown(topic)}, must be {GRAMMAR}")


def device_flaw(device: str) -> Flaw | None:
    """Why a text cannot be a device id; None if it can."""
    if not 1 <= len(device) <= MAX_DEVICE_LENGTH or _BAD_DEVICE.search(device) or device != device.strip():
        return Flaw(
            "topic",
            f"device id is {shown(device)}, must be 1–{MAX_DEVICE_LENGTH} characters without + # / "
            "or control characters, no blank at either end",
        )
    return None
