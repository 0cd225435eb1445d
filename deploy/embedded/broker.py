"""The embedded Mosquitto: on loopback only, with persistence, its state under the data folder."""

import os
import secrets
import signal
import socket
from pathlib import Path

from deploy.embedded.broker_guard import rules
from deploy.embedded.processes import Account, own_folder, require_reachable, server_account, write_owned
from deploy.embedded.server import Server
from deploy.embedded.servers import MOSQUITTO, dynamic_security

_ACCEPTED = bytes.fromhex("20020000")

_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true

# What is queued for a session that is away survives a restart; what came since the last save does not.
persistence true
persistence_location ./
autosave_interval {autosave_seconds}
persistent_client_expiration 14d

# The default of 1,000 queued messages drops the excess silently: limit by bytes instead. Not 0 for no limit: Mosquitto
# 2.0.21 then disconnects a client whose message it refuses.
max_queued_messages 2000000000
max_queued_bytes {queue_bytes}
max_inflight_messages 0
max_inflight_bytes 0
max_packet_size 16777216

set_tcp_nodelay true
sys_interval 5
connection_messages false
log_dest stdout
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S%z
"""

_GUARD = """
plugin {plugin}
plugin_opt_config_file ./rules.json
"""


def prepare(folder: Path, port: int, copy: Path, *, guarded: bool = False) -> Server:
    """Write the configuration of the broker that lies in the private copy.

    ``guarded``: only who knows the password in the folder may publish as the system itself (see ``broker_guard``).
    """
    account = server_account(folder)
    require_reachable(copy, account, "CITYVITALS_CACHE_DIR")
    own_folder(folder, account)
    queue_bytes = min(2**30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)
    configuration = _CONFIGURATION.format(port=port, autosave_seconds=10, queue_bytes=queue_bytes)
    if guarded:
        write_owned(folder / "rules.json", rules(_password(folder, account)), account)
        configuration += _GUARD.format(plugin=dynamic_security(copy))
    write_owned(folder / "mosquitto.conf", configuration, account)
    return Server(
        name="broker",
        url=f"mqtt://127.0.0.1:{port}",
        command=(str(copy / MOSQUITTO), "-c", "mosquitto.conf"),
        folder=folder,
        account=account,
        environment={key: value for key, value in os.environ.items() if not key.startswith("LD_")},
        stop_signal=signal.SIGTERM,
        answers=lambda: accepts_connections("127.0.0.1", port),
    )


def _password(folder: Path, account: Account) -> str:
    """The password of pipeline and API, made at the first start."""
    file = folder / "password"
    if not file.exists():
        write_owned(file, secrets.token_urlsafe(24) + "\n", account)
    return file.read_text().strip()


def accepts_connections(host: str, port: int) -> bool:
    """True if an MQTT broker there accepts a connection."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(_connect_packet("cityvitals-ready"))
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")
    except OSError:
        return False
    return answer == _ACCEPTED


def _connect_packet(client: str) -> bytes:
    """MQTT 3.1.1 CONNECT with a clean session and 60 s keep-alive."""
    name = client.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2) + name
    return b"\x10" + bytes([len(body)]) + body
