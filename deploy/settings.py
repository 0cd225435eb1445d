"""The settings of every process: the only place where the environment is read."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit, urlunsplit

from deploy.errors import DeployError
from ingest.retention import LONGEST_DAYS, SHORTEST_DAYS, Retention

DATABASE = "cityvitals"  # name of the embedded database and of its role
BROKER_USER = "cityvitals"  # as whom pipeline and API log in at the embedded broker
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEFAULT_CITY = "shanghai"
MINUTES_KEPT_DAYS = 14
"""of vital signs; their quarter-hours, hours and days are kept for ever"""
DEFAULT_MQTT_PORT = 1883
DEFAULT_DATABASE_PORT = 5433
DEFAULT_HTTP_PORT = 8000
POLICY_FILE = "policy.toml"  # in the data folder
DEFAULT_SPOOL_QUOTA = 2 * 1024**3  # bytes

Registration = Literal["open", "closed"]


@dataclass(frozen=True)
class Settings:
    """What the environment says; the two addresses are None where it says nothing."""

    data_dir: Path
    cache_dir: Path
    mqtt_port: int = DEFAULT_MQTT_PORT
    database_port: int = DEFAULT_DATABASE_PORT
    database_url: str | None = None
    mqtt_url: str | None = None
    city: str = DEFAULT_CITY
    registration: Registration = "open"
    spool_quota: int = DEFAULT_SPOOL_QUOTA
    retention: Retention = field(default_factory=Retention)
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    policy: Path | None = None

    @property
    def policy_file(self) -> Path:
        """The city's own policy, whether it is there or not."""
        return self.policy or self.data_dir / POLICY_FILE

    @property
    def database_folder(self) -> Path:
        return self.data_dir / "database"

    @property
    def broker_folder(self) -> Path:
        return self.data_dir / "broker"

    @property
    def spool_folder(self) -> Path:
        return self.data_dir / "spool"

    @property
    def log_folder(self) -> Path:
        return self.data_dir / "logs"

    @property
    def database(self) -> str:
        """Address of the database: the configured one, else the embedded one of this data folder."""
        url = self.database_url or database_address(self.database_folder, self.database_port)
        if url is None:
            raise DeployError(
                f"no database: CITYVITALS_DATABASE_URL is not set and {self.data_dir} holds no embedded database; "
                "set it, or start `cityvitals up` or `cityvitals database` with this data folder first"
            )
        return url

    @property
    def broker(self) -> str:
        """Address of the broker, as devices use it: the configured one, else the embedded one."""
        return self.mqtt_url or f"mqtt://127.0.0.1:{self.mqtt_port}"

    @property
    def broker_login(self) -> str:
        """The same for pipeline and API: with the password of the embedded broker of this data folder, if it has one.

        A broker elsewhere, or one for which the address names a user, is none of it.
        """
        parts = urlsplit(self.broker)
        password = _secret(self.broker_folder)
        if password is None or parts.username or parts.hostname not in LOOPBACK or parts.scheme != "mqtt":
            return self.broker
        return urlunsplit(parts._replace(netloc=f"{BROKER_USER}:{password}@{parts.netloc}"))

    def pipeline_client(self, city: str) -> str:
        """The pipeline's client id at the broker.

        Whoever connects under it takes over the session and what is queued in it. At the embedded broker, where anybody
        on this machine may connect, it therefore cannot be guessed.
        """
        name = f"cityvitals-pipeline-{city}"
        if self.broker_login == self.broker:
            return name
        password = urlsplit(self.broker_login).password or ""
        return f"{name}-{blake2b(password.encode(), digest_size=8).hexdigest()}"


def database_address(folder: Path, port: int) -> str | None:
    """Address of the embedded database kept in `folder`, None when there is none yet."""
    password = _secret(folder)
    return None if password is None else f"postgresql://{DATABASE}:{password}@127.0.0.1:{port}/{DATABASE}"


def _secret(folder: Path) -> str | None:
    """The password of the embedded server kept in a folder."""
    try:
        return (folder / "password").read_text().strip()
    except OSError:
        return None


def default_cache_dir(environment: Mapping[str, str], root: bool | None = None) -> Path:
    """Where fetched programs are kept: /var/cache for root, the user's cache folder otherwise."""
    if environment.get("CITYVITALS_CACHE_DIR"):
        return Path(environment["CITYVITALS_CACHE_DIR"]).absolute()
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/cache/cityvitals")
    return _user_folder(environment, "CITYVITALS_CACHE_DIR", "XDG_CACHE_HOME", ".cache")


def default_data_dir(environment: Mapping[str, str], root: bool | None = None) -> Path:
    """Where a city's data is kept: /var/lib for root, the user's data folder otherwise."""
    if environment.get("CITYVITALS_DATA_DIR"):
        return Path(environment["CITYVITALS_DATA_DIR"]).absolute()
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/lib/cityvitals")
    return _user_folder(environment, "CITYVITALS_DATA_DIR", "XDG_DATA_HOME", ".local/share")


def _user_folder(environment: Mapping[str, str], own: str, variable: str, below_home: str) -> Path:
    """``cityvitals`` below the folder that ``variable`` names, else below ``below_home``; ``own`` names it outright."""
    # The XDG rules say that a relative path is to be ignored.
    base = Path(environment.get(variable) or "")
    if not base.is_absolute():
        home = environment.get("HOME")
        if not home:
            raise DeployError(f"neither HOME nor {variable} is set; set one, or name the folder in {own}")
        base = Path(home).absolute() / below_home
    return base / "cityvitals"


def load(
    environment: Mapping[str, str] | None = None,
    *,
    data_dir: Path | None = None,
    mqtt_port: int = DEFAULT_MQTT_PORT,
    database_port: int = DEFAULT_DATABASE_PORT,
) -> Settings:
    """Settings from the environment; `data_dir` as given on the command line wins over the variable."""
    values = os.environ if environment is None else environment
    folder = (data_dir or default_data_dir(values)).absolute()
    registration = _choice(values, "CITYVITALS_REGISTRATION", ("open", "closed"), "open")
    return Settings(
        data_dir=folder,
        mqtt_port=mqtt_port,
        database_port=database_port,
        cache_dir=default_cache_dir(values),
        database_url=_url(values, "CITYVITALS_DATABASE_URL", ("postgresql", "postgres")),
        mqtt_url=_url(values, "CITYVITALS_MQTT_URL", ("mqtt", "mqtts")),
        city=values.get("CITYVITALS_CITY") or DEFAULT_CITY,
        registration=cast("Registration", registration),
        spool_quota=_bytes(values, "CITYVITALS_SPOOL_QUOTA", DEFAULT_SPOOL_QUOTA),
        retention=_retention(values),
        api_keys=_words(values, "CITYVITALS_API_KEYS"),
        allowed_hosts=_words(values, "CITYVITALS_ALLOWED_HOSTS"),
        allowed_origins=_words(values, "CITYVITALS_ALLOWED_ORIGINS"),
        tls_certificate=_file(values, "CITYVITALS_TLS_CERTIFICATE"),
        tls_key=_file(values, "CITYVITALS_TLS_KEY"),
        # not checked here: a file that goes away is the pipeline's matter, which says so and goes on
        policy=Path(values["CITYVITALS_POLICY"]).absolute() if values.get("CITYVITALS_POLICY") else None,
    )


def _choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = values.get(name) or default
    if value not in allowed:
        raise DeployError(f"{name} is {value!r}; it must be {' or '.join(allowed)}")
    return value


def _bytes(values: Mapping[str, str], name: str, default: int) -> int:
    value = values.get(name)
    if not value:
        return default
    if not value.isdecimal() or int(value) < 1:
        raise DeployError(f"{name} is {value!r}; it must be a number of bytes, such as {default}")
    return int(value)


def _retention(values: Mapping[str, str]) -> Retention:
    by_stream = {}
    for part in _words(values, "CITYVITALS_RETENTION"):
        stream, equals, days = part.partition("=")
        if not equals:
            raise DeployError(f"CITYVITALS_RETENTION has {part!r}; it must be a list such as bus=30,parking_bay=90")
        _require_stream(stream)
        by_stream[stream] = _days(f"{stream} in CITYVITALS_RETENTION", days)
    return Retention(
        days=_days("CITYVITALS_RETENTION_DAYS", values.get("CITYVITALS_RETENTION_DAYS", "")),
        streams=by_stream,
        rejects=_days("CITYVITALS_RETENTION_REJECTS_DAYS", values.get("CITYVITALS_RETENTION_REJECTS_DAYS", "")),
        vitals=_days(
            "CITYVITALS_RETENTION_VITALS_DAYS", values.get("CITYVITALS_RETENTION_VITALS_DAYS") or str(MINUTES_KEPT_DAYS)
        ),
    )


def _require_stream(name: str) -> None:
    from devices.kinds import streams

    if name not in streams():
        raise DeployError(f"CITYVITALS_RETENTION names {name!r}; it must be one of {', '.join(streams())}")


def _days(name: str, value: str) -> float:
    """A number of days; infinite when nothing is said, or `forever`."""
    if value in ("", "forever"):
        return math.inf
    try:
        days = float(value)
    except ValueError:
        days = math.nan
    if not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        raise DeployError(f"{name} is {value!r}; it must be a number of days from {SHORTEST_DAYS:g}, or forever")
    return days


def _url(values: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    value = values.get(name)
    if not value:
        return None
    try:
        parts = urlsplit(value)
        wrong = parts.scheme not in schemes or not (parts.hostname or parts.query)
        _ = parts.port
    except ValueError:
        wrong = True
    if wrong:
        raise DeployError(f"{name} is {value!r}; it must be an address such as {schemes[0]}://host:port")
    return value


def _words(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A list separated by commas or blanks."""
    return tuple(values.get(name, "").replace(",", " ").split())


def _file(values: Mapping[str, str], name: str) -> Path | None:
    value = values.get(name)
    if not value:
        return None
    path = Path(value).absolute()
    if not path.is_file():
        raise DeployError(f"{name} is {value!r}; there is no such file")
    return path
