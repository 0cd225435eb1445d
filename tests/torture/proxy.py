"""A TCP link that can be cut: between the pipeline and a server, it stalls, slows, resets, refuses or forgets."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

_RESET = struct.pack("ii", 1, 0)
_CHUNK = 65_536
Tap = Callable[[int, str, bytes], None]
"""(number of the connection, "up" = to the server or "down", bytes that were handed on; b"" = it ended)"""


class _Pair:
    """One connection: the pipeline's end and the server's end."""

    def __init__(self, number: int, near: socket.socket, far: socket.socket) -> None:
        self.number, self.near, self.far = number, near, far
        self.forgotten = False
        self.over = 0
        """how many of its two directions have ended"""


class Proxy:
    """Listens on a port of its own and carries every connection to the server."""

    def __init__(self, port: int, tap: Tap | None = None) -> None:
        """``port``: where the server listens, on loopback; ``tap`` is told what went through."""
        self._target = ("127.0.0.1", port)
        self._tap = tap
        self._open = threading.Event()
        self._open.set()
        self._rate: int | None = None
        self._refusing = False
        self._pairs: set[_Pair] = set()
        self._graves: list[_Pair] = []
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    @property
    def live(self) -> int:
        """Connections that are up."""
        return len(self._pairs)

    def stall(self) -> None:
        """Carry nothing, neither way; nobody is told."""
        self._open.clear()

    def slow(self, bytes_per_second: int) -> None:
        """Carry at most so much each way."""
        self._rate = bytes_per_second

    def refuse(self) -> None:
        """Reset every connection and each new one."""
        self._refusing = True
        self.reset()

    def reset(self) -> int:
        """Reset all connections; how many there were."""
        with self._guard:
            pairs = list(self._pairs)
        for pair in pairs:
            _abort(pair.near)
            _abort(pair.far)
        return len(pairs)

    def forget(self) -> int:
        """Drop all connections without a word to either side: both go on believing in them. How many there were."""
        with self._guard:
            pairs = list(self._pairs)
            for pair in pairs:
                pair.forgotten = True
            self._graves += pairs
            self._pairs.clear()
        return len(pairs)

    def heal(self) -> None:
        """Carry everything again, at once."""
        self._rate, self._refusing = None, False
        self._open.set()

    def close(self) -> None:
        self.heal()
        self._refusing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone leaves the thread that waits for connections
        self._listener.close()
        for pair in [*self._pairs, *self._graves]:
            _abort(pair.near)
            _abort(pair.far)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        if self._refusing:
            _abort(near)
            return
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            _abort(near)
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._guard:
            self.connections += 1
            pair = _Pair(self.connections, near, far)
            self._pairs.add(pair)
        for source, sink, way in ((near, far, "up"), (far, near, "down")):
            threading.Thread(target=self._carry, args=(pair, source, sink, way), daemon=True).start()

    def _carry(self, pair: _Pair, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._open.wait()
                if pair.forgotten:
                    continue
                self._hand_on(pair, sink, way, data)
        if not pair.forgotten:
            with self._guard:
                self._pairs.discard(pair)
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            if self._tap is not None:
                self._tap(pair.number, way, b"")
        with self._guard:
            pair.over += 1
        if pair.over == 2:
            pair.near.close()
            pair.far.close()

    def _hand_on(self, pair: _Pair, sink: socket.socket, way: str, data: bytes) -> None:
        while data:
            rate = self._rate
            size = len(data) if rate is None else max(1, rate // 20)
            part, data = data[:size], data[size:]
            if self._tap is not None:
                self._tap(pair.number, way, part)
            sink.sendall(part)
            if rate is not None:
                time.sleep(0.05)


def _abort(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        end.close()
