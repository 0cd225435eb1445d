"""`cityvitals up`: starts broker, database, pipeline, API and devices, watches them, stops them in reverse."""

import http.client
import os
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy import data_folder, ports
from deploy.embedded import broker, database, processes
from deploy.embedded.servers import servers_copy
from deploy.errors import DeployError, InterruptedByUser
from deploy.migration import ensure_extension, without_password
from deploy.services import Service, ServiceSpec, command_service, server_service
from deploy.settings import LOOPBACK, Settings
from deploy.stopping import StopRequest

READY_WITHIN = 300.0  # seconds; the first start compiles the numba kernels, 15 s where nothing else is done
SAY_AFTER = 10.0
CHECK_EVERY = 0.2
BOUND_LOGS_EVERY = 10.0


@dataclass(frozen=True)
class UpOptions:
    """The command line of `up`."""

    host: str
    port: int
    devices: bool
    simulate_arguments: tuple[str, ...] = ()


def up(options: UpOptions, settings: Settings) -> int:
    """Run everything until a stop is asked for; the process's exit code."""
    _require_safe_host(options, settings)
    _require_sound_settings(settings)
    stop = StopRequest().install()
    try:
        with data_folder.held(settings.data_dir):
            data_folder.outlast_previous(settings.data_dir, stop)
            _Instance(options, settings, stop).run()
    except InterruptedByUser:
        pass
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise DeployError(f"cannot start: {error.strerror or error}{where}") from error
    _note("stopped; the data stays in " + str(settings.data_dir))
    return 0


def _require_safe_host(options: UpOptions, settings: Settings) -> None:
    if options.host in LOOPBACK:
        return
    from deploy.serve import Listener, refuse_open_door

    tls = settings.tls_certificate is not None and settings.tls_key is not None
    refuse_open_door(Listener(options.host, options.port), bool(settings.api_keys), tls)


def _require_sound_settings(settings: Settings) -> None:
    """What the processes would refuse one by one is refused before any of them starts."""
    from api.auth import KeyFormatError, Keyring
    from devices.city import CityError, load_city

    try:
        load_city(settings.city)
    except CityError as error:
        raise DeployError(f"CITYVITALS_CITY is {settings.city!r}: {error}") from error
    try:
        Keyring(settings.api_keys)
    except KeyFormatError as error:
        raise DeployError(f"CITYVITALS_API_KEYS: {error}") from error


def own_command(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of this program's own commands, run by this very environment."""
    script = Path(sys.executable).with_name("cityvitals")
    start = (sys.executable, str(script)) if script.exists() else (sys.executable, "-m", "deploy.cli")
    return (*start, name, *arguments)


class _Instance:
    """The services of one `up`, in the order of their start."""

    def __init__(self, options: UpOptions, settings: Settings, stop: StopRequest) -> None:
        self._options = options
        self._settings = settings
        self._stop = stop
        self._services: list[Service] = []
        self._servers: Path | None = None

    def run(self) -> None:
        with self._everything_stopped_at_the_end():
            self._start_all()
            self._watch()

    @contextmanager
    def _everything_stopped_at_the_end(self) -> Iterator[None]:
        try:
            yield
        finally:
            for service in reversed(self._services):
                service.stop()
            data_folder.forget_running(self._settings.data_dir)

    def _start_all(self) -> None:
        http_port, mqtt_port, database_port = self._settle_ports()
        self._settings.log_folder.mkdir(parents=True, exist_ok=True)
        mqtt_url = self._start_broker(mqtt_port)
        _say(f"broker {mqtt_url}")
        database_url = self._start_database(database_port)
        _say(f"database {database_url}")
        environment = _child_environment(self._settings, mqtt_url, database_url)
        self._migrate(environment)
        scheme = "https" if self._settings.tls_certificate else "http"
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        url = f"{scheme}://{host}:{http_port}"
        self._start(command_service("pipeline", mqtt_url, own_command("pipeline"), environment, patience=30.0))
        serve = own_command("api", "--host", self._options.host, "--port", str(http_port))
        self._start(command_service("api", url, serve, environment))
        self._await_ready(url)
        if self._options.devices:
            simulate = own_command("simulate", *self._options.simulate_arguments)
            self._start(command_service("simulate", mqtt_url, simulate, environment))
        _say(f"ready {url}")
        self._list_services()

    def _settle_ports(self) -> tuple[int, int, int]:
        options, settings = self._options, self._settings
        choices = [ports.PortChoice("API", options.host, options.port, "--port")]
        if not settings.mqtt_url:
            choices.append(ports.PortChoice("broker", "127.0.0.1", settings.mqtt_port, "--mqtt-port"))
        if not settings.database_url:
            choices.append(ports.PortChoice("database", "127.0.0.1", settings.database_port, "--db-port"))
        settled = dict(zip((choice.option for choice in choices), ports.settle(choices), strict=True))
        return settled["--port"], settled.get("--mqtt-port", 0), settled.get("--db-port", 0)

    def _start_broker(self, port: int) -> str:
        if self._settings.mqtt_url:
            parts = urlsplit(self._settings.mqtt_url)
            host, own_port = parts.hostname or "", parts.port or (8883 if parts.scheme == "mqtts" else 1883)
            _require_listener("broker", "CITYVITALS_MQTT_URL", host, own_port)
            return self._settings.mqtt_url
        server = broker.prepare(self._settings.broker_folder, port, self._copy(), guarded=True)
        self._start(server_service(server))
        self._await("broker", server.answers, 30.0)
        return server.url

    def _start_database(self, port: int) -> str:
        if self._settings.database_url:
            ensure_extension(self._settings.database_url)
            return self._settings.database_url
        server = database.prepare(self._settings.database_folder, port, self._copy(), interrupted=self._stop)
        self._start(server_service(server))
        self._await("database", server.answers, 120.0)
        database.ensure_database(server.url)
        return server.url

    def _copy(self) -> Path:
        """The private copy of the servers, fetched on the first start and checked once in each."""
        if self._servers is None:
            self._servers = servers_copy(self._settings.cache_dir, self._stop)
        return self._servers

    def _migrate(self, environment: dict[str, str]) -> None:
        log = self._settings.log_folder / "migrate.log"
        code, output = processes.run(own_command("migrate"), interrupted=self._stop, environment=environment, log=log)
        if code:
            reason = (output.strip().splitlines() or ["no reason given"])[-1]
            raise DeployError(f"the database could not be migrated: {reason} (see {log})")

    def _start(self, spec: ServiceSpec) -> None:
        service = Service(spec, self._settings.log_folder / f"{spec.name}.log")
        self._services.append(service)
        service.start()
        self._note_running()

    def _note_running(self) -> None:
        pids = {service.spec.name: pid for service in self._services if (pid := service.pid) is not None}
        data_folder.note_running(self._settings.data_dir, pids)

    def _await_ready(self, url: str) -> None:
        note = "not ready yet: the first start on a machine compiles the numeric kernels"
        self._await("API", lambda: is_ready(url), READY_WITHIN, note)

    def _await(self, name: str, answers: "processes.Interrupted", patience: float, note: str = "") -> None:
        """``note`` is said once, where it takes long."""
        started = time.monotonic()
        deadline = started + patience
        while not answers():
            if self._stop():
                raise InterruptedByUser
            for service in self._services:
                if reason := service.exit_reason():
                    raise DeployError(f"{service.spec.name} ended while starting ({reason}); see {service.log}")
            if note and time.monotonic() > started + SAY_AFTER:
                _note(note)
                note = ""
            if time.monotonic() > deadline:
                raise DeployError(f"the {name} was not ready within {patience:.0f} s; see {self._settings.log_folder}")
            time.sleep(0.05)
        if self._stop():
            raise InterruptedByUser

    def _watch(self) -> None:
        bound_at = time.monotonic() + BOUND_LOGS_EVERY
        while not self._stop():
            for service in self._services:
                if news := service.check():
                    _note(news)
                    self._note_running()
            if time.monotonic() > bound_at:
                for service in self._services:
                    service.bound_log()
                bound_at = time.monotonic() + BOUND_LOGS_EVERY
            self._stop.sleep(CHECK_EVERY)
        _note("stopping")

    def _list_services(self) -> None:
        for service in self._services:
            address = without_password(service.spec.address)
            _say(f"  {service.spec.name:<9} pid {service.pid or '-':<8} {address:<40} {service.log}")


def is_ready(url: str) -> bool:
    """True once `GET /readyz` answers 200."""
    parts = urlsplit(url)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname or "")  # noqa: S104
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # Only asks whether this machine's own service is up; its certificate names the public host.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(host, parts.port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _require_listener(name: str, variable: str, host: str, port: int) -> None:
    try:
        ports.reach(host, port)
    except OSError as error:
        raise DeployError(
            f"no {name} answers at {host} port {port} ({error.strerror or error}); start it or correct {variable}"
        ) from error


def _child_environment(settings: Settings, mqtt_url: str, database_url: str) -> dict[str, str]:
    environment = dict(os.environ)
    environment["CITYVITALS_MQTT_URL"] = mqtt_url
    environment["CITYVITALS_DATABASE_URL"] = database_url
    environment["CITYVITALS_DATA_DIR"] = str(settings.data_dir)
    environment["CITYVITALS_CACHE_DIR"] = str(settings.cache_dir)
    if settings.policy is not None:
        environment["CITYVITALS_POLICY"] = str(settings.policy)
    environment.setdefault("NUMBA_CACHE_DIR", str(settings.cache_dir / "numba"))
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def _say(line: str) -> None:
    """A line of the program's answer, on stdout; a reader that went away is no reason to end."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - stays open for the rest of the process


def _note(line: str) -> None:
    """A line for the operator, on stderr, whose terminal may be gone."""
    with suppress(OSError):
        print(f"cityvitals: {line}", file=sys.stderr, flush=True)
