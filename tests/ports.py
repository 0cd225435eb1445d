"""Ports for servers that the tests start."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 20_000
_chance = random.SystemRandom()  # what seeds the common one would have all processes draw the same
_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port that is free and stays so until its server binds it.

    It lies below those that the system gives to connections and to who asks for any, and no other process that asks
    here gets it as long as this one lives.
    """
    while True:
        port = _chance.randrange(_LOWEST, max(_LOWEST + 10_000, int(_RANGE.read_text().split()[0])))
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0cityvitals-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        _reserved.append(mark)
        return port
