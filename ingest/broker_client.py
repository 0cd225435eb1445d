"""paho with a receive path of its own: many packets a read, messages handed over without paho's objects, acks in bulk.

paho reads every packet with a ``select`` and one ``recv`` per header byte, builds three objects a message, and sends
every ack with a system call of its own. Here up to 64 KiB are read at once and PUBLISH packets are taken apart in
place; every other packet goes to paho's own handlers, and so do connecting, keeping alive, reconnecting and sending.
These names are private in paho 2.2: ``_packet_read``, ``_packet_handle``, ``_packet_queue``, ``_packet_write``,
``_in_packet``, ``_check_keepalive``, ``_ping_t``, ``_last_bytes_received``, ``_msgtime_mutex``, ``_out_messages``,
``_out_message_mutex``, ``_do_on_publish``.
"""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

READ_BYTES = 65_536
_PUBLISH, _PUBACK = 3, 0x40
_PUBLISH_RETAINED, _NO_PROPERTIES = b"\x31", b"\x00"
_TAKEN, _NOTHING_SAID = ReasonCode(PacketTypes.PUBACK), Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call] # paho's have no types
_LARGEST_LENGTH_BYTES = 4

Receive = Callable[[bytes, bytes, int, int, bool, bool, Properties | None], None]
"""topic (as sent), payload, packet id, QoS, retain, DUP, properties if there are any"""


class BrokerClient(mqtt.Client):
    """A paho client, MQTT 5 with manual acknowledgement, whose messages go to ``receive`` in the network thread."""

    def __init__(self, *arguments: Any, receive: Receive, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._receive = receive
        self.on_socket_open = _at_once
        self._unread: list[bytes] = []
        """the beginning of a packet, in the pieces it came in"""
        self._missing = 0
        """bytes without which that packet is not worth another look"""
        self._gathering: int | None = None
        """the thread whose packets wait in ``_gathered``, to leave together"""
        self._gathered: list[bytes] = []

    def reconnect(self) -> MQTTErrorCode:
        """Connect anew; half a packet of the last connection is forgotten with it."""
        self._unread, self._missing = [], 0
        return super().reconnect()

    def ack_all(self, packet_ids: Sequence[int]) -> None:
        """Acknowledge QoS 1 messages in this order, with one packet queue entry and one write for all."""
        if packet_ids:
            acks = b"".join([b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids])
            self._packet_queue(_PUBACK, acks, packet_ids[-1], 0)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What the calling thread publishes at QoS 1 meanwhile leaves with one packet queue entry and one write.

        Each entry wakes the network thread, which then contends with the one that goes on publishing. One thread at a
        time."""
        self._gathering = threading.get_ident()
        try:
            yield
        finally:
            self._gathering, packets, self._gathered = None, self._gathered, []
            if packets:
                self._packet_queue(mqtt.PUBLISH, memoryview(b"".join(packets)), 0, 1)

    def _packet_queue(
        self, command: int, packet: Any, mid: int, qos: int, info: mqtt.MQTTMessageInfo | None = None
    ) -> MQTTErrorCode:
        if qos == 1 and self._gathering == threading.get_ident():
            self._gathered.append(packet)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return super()._packet_queue(command, packet, mid, qos, info)

    def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages (topic, payload) at QoS 0, to be retained, with one packet queue entry for all."""
        packets: list[bytes] = []
        for topic, payload in messages:
            name = topic.encode()
            length = _written_length(2 + len(name) + 1 + len(payload))
            packets += (_PUBLISH_RETAINED, length, len(name).to_bytes(2, "big"), name, _NO_PROPERTIES, payload)
        if packets:
            whole = memoryview(b"".join(packets))  # what a write leaves over is then cut off without a copy
            self._packet_queue(_PUBLISH_RETAINED[0], whole, 0, 0, mqtt.MQTTMessageInfo(0))

    def breathe(self) -> bool:
        """For ``receive`` while it has no room: send what is queued, and let the broker hear that the client is there.

        That nothing is read meanwhile, not even an answer to a ping, is no fault of the broker's. Returns whether the
        connection still takes what is sent.
        """
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        self._ping_t = 0.0
        self._check_keepalive()
        return self._packet_write() in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN)

    def _packet_read(self) -> MQTTErrorCode:
        """Read what there is, and handle all complete packets of it."""
        assert self._sock is not None
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError as error:
            log.info("reading from the broker failed: %s", error)
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        if not data:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        if len(data) < self._missing:
            self._unread.append(data)
            self._missing -= len(data)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            return self._handle_packets(b"".join([*self._unread, data]) if self._unread else data)
        except (MalformedPacket, IndexError, ValueError) as error:
            log.error("the broker sent a packet that cannot be read: %s", error)
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _handle_packets(self, data: bytes) -> MQTTErrorCode:
        position, size, self._missing = 0, len(data), 0
        while size - position >= 2:
            header, length, start = data[position], data[position + 1], position + 2
            if length > 127:
                found = _long_length(data, position + 1)
                if found is None:
                    break
                length, start = found
            end = start + length
            if end > size:
                self._missing = end - size
                break
            if header >> 4 == _PUBLISH:
                self._deliver(header, data, start, end)
            else:
                known = header == _PUBACK and length > 1
                result = self._confirmed(data, start) if known else self._leave_to_paho(header, data[start:end])
                if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return result
            position = end
        self._unread = [data[position:]] if position < size else []
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _deliver(self, header: int, data: bytes, start: int, end: int) -> None:
        position = start + 2 + int.from_bytes(data[start : start + 2], "big")
        topic = data[start + 2 : position]
        qos, packet_id = header >> 1 & 3, 0
        if qos:
            packet_id = int.from_bytes(data[position : position + 2], "big")
            position += 2
        properties = None
        if data[position]:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's have no types
            _, length = properties.unpack(data[position:end])  # type: ignore[no-untyped-call] # paho's have no types
            position += length
        else:
            position += 1
        if position > end:
            raise ValueError(f"a PUBLISH packet of {end - start} bytes is too short for its parts")
        try:
            self._receive(topic, data[position:end], packet_id, qos, bool(header & 1), bool(header & 8), properties)
        except Exception:
            # An exception here would end the network thread; what was not queued comes again with the next connection.
            log.exception("a message on %s could not be taken", topic)

    def _confirmed(self, data: bytes, start: int) -> MQTTErrorCode:
        """The broker has a message of ours; paho would make five objects to say so. What else its PUBACK says, such as
        that nobody listens, paho passes on to nobody here."""
        packet_id = int.from_bytes(data[start : start + 2], "big")
        with self._out_message_mutex:
            if packet_id in self._out_messages:
                return self._do_on_publish(packet_id, _TAKEN, _NOTHING_SAID)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _leave_to_paho(self, header: int, body: bytes) -> MQTTErrorCode:
        self._in_packet = {
            "command": header,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(body),
            "packet": bytearray(body),
            "to_process": 0,
            "pos": 0,
        }
        return self._packet_handle()


def _at_once(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    """Have the kernel send what it is given without waiting for more, or for the other side to say it has the last."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _written_length(size: int) -> bytes:
    """A packet's length as MQTT writes it: seven bits a byte, the lowest first."""
    written = bytearray()
    while size > 127:
        written.append(size & 127 | 128)
        size >>= 7
    written.append(size)
    return bytes(written)


def _long_length(data: bytes, position: int) -> tuple[int, int] | None:
    """A packet's length of several bytes and where it ends; None when it is not all there."""
    length = 0
    for count in range(_LARGEST_LENGTH_BYTES):
        if position + count >= len(data):
            return None
        byte = data[position + count]
        length |= (byte & 127) << 7 * count
        if byte < 128:
            return length, position + count + 1
    raise ValueError("a packet's length has more than four bytes")
