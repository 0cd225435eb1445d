"""`cityvitals broker` and `cityvitals database`: one embedded server, alone, until a signal ends it."""

from collections.abc import Callable

from deploy import data_folder, ports
from deploy.embedded import broker, database
from deploy.embedded.server import Server, last_line, running
from deploy.embedded.servers import servers_copy
from deploy.errors import DeployError, InterruptedByUser
from deploy.settings import Settings
from deploy.stopping import StopRequest


def run_broker(settings: Settings) -> int:
    """Run the embedded broker in the foreground; the process's exit code."""
    stop = StopRequest().install()
    (port,) = ports.settle([ports.PortChoice("broker", "127.0.0.1", settings.mqtt_port, "--mqtt-port")])

    def prepare() -> Server:
        return broker.prepare(settings.broker_folder, port, servers_copy(settings.cache_dir, stop), guarded=True)

    return _run("broker", prepare, settings, stop)


def run_database(settings: Settings) -> int:
    """Run the embedded database in the foreground; the process's exit code."""
    stop = StopRequest().install()
    choice = ports.PortChoice("database", "127.0.0.1", settings.database_port, "--db-port")
    (port,) = ports.settle([choice])

    def prepare() -> Server:
        copy = servers_copy(settings.cache_dir, stop)
        return database.prepare(settings.database_folder, port, copy, interrupted=stop)

    return _run("database", prepare, settings, stop)


def _run(name: str, prepare: Callable[[], Server], settings: Settings, stop: StopRequest) -> int:
    log = settings.log_folder / f"{name}.log"
    try:
        with data_folder.held(settings.data_dir, f"lock.{name}"):
            settings.log_folder.mkdir(exist_ok=True)
            server = prepare()
            with running(server, log, stop) as process:
                if name == "database":
                    database.ensure_database(server.url)
                print(f"{name} {server.url}", flush=True)
                while not stop():
                    if process.poll() is not None:
                        raise DeployError(f"the {name} ended: {last_line(log)} (see {log})")
                    stop.sleep(0.5)
    except InterruptedByUser:
        return 0
    return 0
