"""The command `cityvitals`: one subcommand per process, each importing only what it runs."""

import argparse
import logging
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.errors import DeployError, InterruptedByUser
from deploy.settings import DEFAULT_DATABASE_PORT, DEFAULT_HTTP_PORT, DEFAULT_MQTT_PORT, Settings, load

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Handler = Callable[[argparse.Namespace, Settings], int]

DEFAULT_DEVICES = 2000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the process's exit code. What a person can put right is told in one line."""
    options = parser().parse_args(arguments)
    try:
        settings = load(data_dir=options.data_dir, mqtt_port=options.mqtt_port, database_port=options.db_port)
        run: Handler = options.run
        return run(options, settings)
    except DeployError as error:
        print(f"cityvitals: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, InterruptedByUser):
        return 130


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(prog="cityvitals", description="Live, explainable vital signs of a city.")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    common = _common_options()
    _add_up(commands, common)
    purpose = "ingest and processing: broker to database to vital signs"
    _add_policy_file(_add(commands, common, "pipeline", purpose, _pipeline))
    _add_api(commands, common)
    _add(commands, common, "broker", "the embedded Mosquitto alone", _broker)
    _add(commands, common, "database", "the embedded TimescaleDB alone", _database)
    _add(commands, common, "migrate", "bring the database's schema up to date", _migrate)
    _add_simulate(commands, common)
    _add_replay(commands, common)
    _add_import(commands, common)
    _add_recompute(commands, common)
    _add(commands, common, "contract", "print the outside contract as AsyncAPI", _contract)
    _add_check_device(commands, common)
    _add_policy(commands, common)
    _add_sensitivity(commands, common)
    _add_forecast(commands, common)
    _add_bench(commands, common)
    return root


def _common_options() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data-dir", type=Path, metavar="D", help="where data and logs are kept")
    for option, default, server in (
        ("--mqtt-port", DEFAULT_MQTT_PORT, "broker"),
        ("--db-port", DEFAULT_DATABASE_PORT, "database"),
    ):
        text = f"port of the embedded {server} (default %(default)s, 0: any free one)"
        common.add_argument(option, type=_port, default=default, metavar="PORT", help=text)
    return common


def _add(
    commands: "Commands", common: argparse.ArgumentParser, name: str, purpose: str, run: Handler
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, parents=[common], help=purpose, description=purpose)
    command.set_defaults(run=run)
    return command


def _add_up(commands: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(commands, common, "up", "start everything, watch it, stop it on Ctrl-C", _up)
    _add_listener(command)
    _add_policy_file(command)
    _add_fleet(command)
    command.add_argument("--no-devices", action="store_true", help="start no simulated devices")


def _add_api(commands: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(commands, common, "api", "the HTTP API and the operations-centre page", _api)
    _add_listener(command)
    command.add_argument("--trusted-network", action="store_true",
                         help="listen on any address: a proxy in front provides keys and TLS")  # fmt: skip


def _add_simulate(commands: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(commands, common, "simulate", "publish a simulated city", _simulate)
    _add_fleet(command)
    command.add_argument("--mqtt", metavar="URL", help="broker to publish to (default: the configured one)")
    command.add_argument("--scenario", default="calm", help="name or file of the scenario (default %(default)s)")
    command.add_argument("--interval", type=_positive, metavar="S", help="seconds between two reports of a device")
    command.add_argument("--online", action="store_true", help="keep a retained status per device")
    command.add_argument("--gateway", action="store_true",
                         help="one gateway speaks for all devices and sends again what is missing")  # fmt: skip


def _add_fleet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--devices", type=_count, default=DEFAULT_DEVICES, metavar="N",
                         help="number of simulated devices (default %(default)s)")  # fmt: skip
    command.add_argument("--speed", type=_positive, default=1.0, metavar="X",
                         help="how much faster the simulated time of day runs (default %(default)s)")  # fmt: skip
    command.add_argument("--seed", type=int, default=1, metavar="S", help="seed (default %(default)s)")


def _add_replay(commands: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(commands, common, "replay", "publish a recorded trace", _replay)
    command.add_argument("trace", metavar="TRACE", help="folder with the recording, or the name of a bundled one")
    command.add_argument("--speed", default="1", metavar="X", help="how much faster than recorded, or max (default 1)")
    command.add_argument("--map", type=Path, metavar="FILE", help="trace.toml to use instead of the folder's own")
    command.add_argument("--mqtt", metavar="URL", help="broker to publish to (default: the configured one)")


def _add_recompute(commands: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "rebuild vital signs of the past from stored readings"
    command = _add(commands, common, "recompute", purpose, _recompute)
    command.add_argument("--from", dest="start", required=True, metavar="T", help="first minute, RFC 3339 with offset")
    command.add_argument("--to", dest="end", metavar="T", help="first minute not wanted any more (default: now)")
    command.add_argument("--policy", type=Path, metavar="FILE",
                         help="policy to use (default: for each minute the one that was in force)")  # fmt: skip
    command.add_argument("--dry-run", action="store_true", help="only say how many values differ from what is stored")
    command.add_argument("--anew", action="store_true", help="do not go on where an interrupted run stopped")


def _add_import(commands: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "take a recorded trace into the database with its own times"
    command = _add(commands, common, "import", purpose, _import)
    command.add_argument(
        "traces", nargs="+", metavar="TRACE", help="folder with a recording, or the name of a bundled one"
    )
    command.add_argument("--map", type=Path, metavar="FILE", help="trace.toml to use instead of the folder's own")
    command.add_argument("--recompute", action="store_true", help="then rebuild the vital signs of the span it touches")


def _add_check_device(commands: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "check a device's payload against the contract, or show why its messages are rejected"
    command = _add(commands, common, "check-device", purpose, _check_device)
    command.add_argument("stream", help="stream of the payload (bus_arrival, ...), or the device's kind")
    command.add_argument("target", metavar="FILE|DEVICE", help="payload file (- for standard input) or device id")
    command.add_argument("--mqtt", metavar="URL", help="broker to listen to (default: the configured one)")
    command.add_argument("--seconds", type=_positive, metavar="S", help="how long to listen (default: until stopped)")


def _add_policy_file(command: argparse.ArgumentParser) -> None:
    command.add_argument("--policy", type=Path, metavar="FILE",
                         help="the city's own weights and goalposts, watched while it runs"
                         " (default: policy.toml in the data folder)")  # fmt: skip


def _add_policy(commands: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "print the policy in force as TOML to start from, check a policy file, or compare two"
    command = _add(commands, common, "policy", purpose, _policy)
    command.add_argument("words", nargs="*", metavar="check FILE | diff A B", help="files, or `shipped`")


def _add_sensitivity(commands: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "how stable the ranks of districts are when weights and goalposts are moved (Monte Carlo)"
    command = _add(commands, common, "sensitivity", purpose, _sensitivity)
    command.add_argument("--samples", type=_count, default=2000, metavar="N", help="samples (default %(default)s)")
    command.add_argument("--seed", type=int, default=1, metavar="S", help="seed (default %(default)s)")
    command.add_argument("--at", metavar="T", help="minute to look at, RFC 3339 (default: the newest final one)")
    command.add_argument("--from", dest="start", metavar="T", help="with --to: the mean over a span of minutes")
    command.add_argument("--to", dest="end", metavar="T", help="last minute of the span")
    command.add_argument("--weights", type=_share, default=0.5, metavar="X",
                         help="half width of the spread of weights (default %(default)s: ±50 %%)")  # fmt: skip
    command.add_argument("--goalposts", type=_share, default=0.2, metavar="X",
                         help="the same of goalposts, of the gap beside each (default %(default)s)")  # fmt: skip
    command.add_argument("--policy", type=Path, metavar="FILE", help="policy to vary (default: the shipped one)")
    command.add_argument("--json", type=Path, metavar="F", help="file to write everything to")
    command.add_argument("--picture", type=Path, metavar="F", help="SVG file to write the picture to")
    command.add_argument("--markdown", action="store_true", help="print the tables as Markdown")


def _add_forecast(commands: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "back-test the forecast on a file of your own, beside the naive seasonal one"
    command = _add(commands, common, "forecast", purpose, _forecast)
    command.add_argument("--csv", type=Path, required=True, metavar="FILE", help="CSV file with a header, also .gz")
    command.add_argument("--column", action="append", default=[], metavar="C",
                         help="column with values, may be repeated (default: all that hold numbers)")  # fmt: skip
    command.add_argument("--time", action="append", default=[], metavar="C",
                         help="column with the time; repeated: read as one (default: the first)")  # fmt: skip
    command.add_argument("--time-format", metavar="F", help="how the time is written, as %%d/%%m/%%Y %%H:%%M:%%S")
    command.add_argument("--by", metavar="C", help="column that tells series apart")
    for option, default, text in (
        ("--step", "1h", "values are averaged over steps of this length"),
        ("--horizon", "6h", "how far ahead to forecast"),
        ("--holdout", "7d", "the end of the series to forecast"),
    ):
        command.add_argument(option, type=_length, default=default, metavar="T", help=f"{text} (default %(default)s)")
    command.add_argument("--json", type=Path, metavar="F", help="file to write all figures to, - for standard output")


def _add_bench(commands: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "measure side by side: cityvitals, the limit of its parts, its peers"
    command = _add(commands, common, "bench", purpose, _bench)
    command.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (default: all)")
    command.add_argument("--json", type=Path, metavar="F", help="file to write all figures to")
    command.add_argument("--rounds", type=_count, default=5, metavar="N", help="rounds (default %(default)s)")
    command.add_argument("--scale", type=_positive, default=1.0, metavar="X",
                         help="part of the full amount of data (default %(default)s)")  # fmt: skip
    command.add_argument("--report", type=Path, nargs="+", metavar="F",
                         help="measure nothing: write docs/performance.md and plots from files of --json")  # fmt: skip


def _add_listener(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="127.0.0.1", metavar="H",
                         help="address the API listens on (default %(default)s)")  # fmt: skip
    command.add_argument("--port", type=_port, default=DEFAULT_HTTP_PORT, metavar="PORT",
                         help="port of the API (default %(default)s)")  # fmt: skip


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; it must be a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of devices; it must be a whole number")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _length(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length of time; it must be like 15m, 1h or 7d")
    return int(match[1]) * {"s": timedelta(seconds=1), "m": timedelta(minutes=1),
                            "h": timedelta(hours=1), "d": timedelta(days=1)}[match[2]]  # fmt: skip


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share; it must be at least 0 and below 1")
    return value


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _up(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.supervisor import UpOptions, up

    settings = _with_policy(options, settings)
    fleet = ("--devices", str(options.devices), "--speed", str(options.speed), "--seed", str(options.seed))
    return up(UpOptions(options.host, options.port, options.devices > 0 and not options.no_devices, fleet), settings)


def _pipeline(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.pipeline import run_pipeline

    _log_to_stderr()
    return run_pipeline(_with_policy(options, settings))


def _with_policy(options: argparse.Namespace, settings: Settings) -> Settings:
    if options.policy is None:
        return settings
    if not options.policy.is_file():
        raise DeployError(f"--policy is {options.policy}; there is no such file")
    return replace(settings, policy=options.policy.absolute())


def _api(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.serve import Listener, run_api

    _log_to_stderr()
    return run_api(settings, Listener(options.host, options.port, options.trusted_network))


def _broker(_options: argparse.Namespace, settings: Settings) -> int:
    from deploy.standalone import run_broker

    return run_broker(settings)


def _database(_options: argparse.Namespace, settings: Settings) -> int:
    from deploy.standalone import run_database

    return run_database(settings)


def _migrate(_options: argparse.Namespace, settings: Settings) -> int:
    from deploy.migration import run_migration

    return run_migration(settings)


def _simulate(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.simulate import run_simulation, stop_on_signals
    from devices.simulation.fleet import INTERVAL_S

    return run_simulation(
        options.mqtt or settings.broker,
        settings.city,
        options.devices,
        options.seed,
        stop_on_signals(),
        speed=options.speed,
        scenario=options.scenario,
        interval=options.interval or INTERVAL_S,
        online=options.online,
        through_gateway=options.gateway,
    )


def _replay(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.simulate import run_replay, stop_on_signals
    from devices.recording.format import TraceError
    from devices.replay import parse_speed

    try:
        speed = parse_speed(options.speed)
    except TraceError as error:
        raise DeployError(f"--speed: {error}") from error
    url = options.mqtt or settings.broker
    return run_replay(options.trace, url, settings.city, stop_on_signals(), speed=speed, map_file=options.map)


def _recompute(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.recompute import Wanted, run_recompute
    from deploy.simulate import stop_on_signals

    wanted = Wanted(options.start, options.end, options.policy, options.dry_run, options.anew)
    return run_recompute(wanted, settings, stop_on_signals())


def _import(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.importing import run_import
    from deploy.simulate import stop_on_signals

    return run_import(options.traces, options.map, settings, stop_on_signals(), then_recompute=options.recompute)


def _contract(_options: argparse.Namespace, _settings: Settings) -> int:
    from devices.asyncapi import asyncapi

    print(asyncapi())
    return 0


def _check_device(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.device_check import run_check

    return run_check(options.stream, options.target, settings, mqtt_url=options.mqtt, seconds=options.seconds)


def _policy(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.policy_command import run_policy

    return run_policy(options.words, settings)


def _sensitivity(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.sensitivity import Wanted, run_sensitivity
    from processing.sensitivity import Spread

    wanted = Wanted(
        samples=options.samples,
        seed=options.seed,
        at=options.at,
        start=options.start,
        end=options.end,
        spread=Spread(options.weights, options.goalposts),
        policy=options.policy,
        json=options.json,
        picture=options.picture,
        markdown=options.markdown,
    )
    return run_sensitivity(wanted, settings)


def _forecast(options: argparse.Namespace, _settings: Settings) -> int:
    from deploy.forecasting import Wanted, run_forecast

    return run_forecast(
        Wanted(
            file=options.csv,
            columns=tuple(options.column),
            time=tuple(options.time),
            by=options.by,
            step=options.step,
            horizon=options.horizon,
            holdout=options.holdout,
            time_format=options.time_format,
            json=options.json,
        )
    )


def _bench(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.bench.command import run_benchmarks, write_report

    if options.report:
        return write_report(options.report, settings)
    return run_benchmarks(options.names, settings, rounds=options.rounds, scale=options.scale, file=options.json)


if __name__ == "__main__":
    sys.exit(main())
