"""What the API is told at its start."""

from dataclasses import dataclass, field
from pathlib import Path

from devices.city import City
from ingest.retention import Retention

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
DASHBOARD = Path(__file__).parent / "dashboard"


@dataclass(frozen=True)
class ApiConfig:
    """Everything ``create_app`` needs; durations in seconds, sizes in bytes.

    ``allowed_hosts`` come on top of the loopback names; ``allowed_origins`` (``https://ops.example.org``) may
    open WebSockets and, through CORS, read from other pages. With ``api_keys`` every route under /v1 asks for one.
    """

    database_url: str
    mqtt_url: str
    city: City
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    dashboard: Path = DASHBOARD
    ready_within: float = 5.0
    silent_after: float = 10.0
    replay_wait: float = 5.0
    database_connections: int = 8
    max_body: int = 8 * 1024 * 1024
    max_streams: int = 1000
    retention: Retention = field(default_factory=Retention)
    max_whatifs: int = 2
    whatif_deadline: float = 120.0

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(host.lower() for host in (*LOOPBACK_HOSTS, *self.allowed_hosts))
