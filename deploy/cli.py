"""The command `cityvitals`: its subcommands and their options. What they do is in ``deploy.commands``."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import arguments, commands
from deploy.errors import DeployError, InterruptedByUser
from deploy.settings import DEFAULT_DATABASE_PORT, DEFAULT_HTTP_PORT, DEFAULT_MQTT_PORT, Settings, load

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Handler = Callable[[argparse.Namespace, Settings], int]

DEFAULT_DEVICES = 2000


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line; the process's exit code. What a person can put right is told in one line."""
    options = parser().parse_args(words)
    try:
        settings = load(data_dir=options.data_dir, mqtt_port=options.mqtt_port, database_port=options.db_port)
        run: Handler = options.run
        code = run(options, settings)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read the output has seen enough; nothing may be left to flush at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except DeployError as error:
        print(f"cityvitals: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, InterruptedByUser):
        return 130


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(prog="cityvitals", description="Live, explainable vital signs of a city.")
    into = root.add_subparsers(metavar="COMMAND", required=True)
    common = _common_options()
    _add_up(into, common)
    purpose = "ingest and processing: broker to database to vital signs"
    _add_policy_file(_add(into, common, "pipeline", purpose, commands.pipeline))
    _add_api(into, common)
    _add(into, common, "broker", "the embedded Mosquitto alone", commands.broker)
    _add(into, common, "database", "the embedded TimescaleDB alone", commands.database)
    _add(into, common, "migrate", "bring the database's schema up to date", commands.migrate)
    _add_simulate(into, common)
    _add_replay(into, common)
    _add_import(into, common)
    _add_recompute(into, common)
    _add(into, common, "contract", "print the outside contract as AsyncAPI", commands.contract)
    _add_check_device(into, common)
    _add_policy(into, common)
    _add_sensitivity(into, common)
    _add_forecast(into, common)
    _add_bench(into, common)
    return root


def _common_options() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data-dir", type=Path, metavar="D", help="where data and logs are kept")
    for option, default, server in (
        ("--mqtt-port", DEFAULT_MQTT_PORT, "broker"),
        ("--db-port", DEFAULT_DATABASE_PORT, "database"),
    ):
        text = f"port of the embedded {server} (default %(default)s, 0: any free one)"
        common.add_argument(option, type=arguments.port, default=default, metavar="PORT", help=text)
    return common


def _add(
    into: "Commands", common: argparse.ArgumentParser, name: str, purpose: str, run: Handler
) -> argparse.ArgumentParser:
    command = into.add_parser(name, parents=[common], help=purpose, description=purpose)
    command.set_defaults(run=run)
    return command


def _add_up(into: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(into, common, "up", "start everything, watch it, stop it on Ctrl-C", commands.up)
    _add_listener(command)
    _add_policy_file(command)
    _add_fleet(command)
    command.add_argument("--no-devices", action="store_true", help="start no simulated devices")


def _add_api(into: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(into, common, "api", "the HTTP API and the operations-centre page", commands.api)
    _add_listener(command)
    command.add_argument("--trusted-network", action="store_true",
                         help="listen on any address: a proxy in front provides keys and TLS")  # fmt: skip


def _add_simulate(into: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(into, common, "simulate", "publish a simulated city", commands.simulate)
    _add_fleet(command)
    command.add_argument("--mqtt", metavar="URL", help="broker to publish to (default: the configured one)")
    command.add_argument("--scenario", default="calm", help="name or file of the scenario (default %(default)s)")
    command.add_argument(
        "--interval", type=arguments.positive, metavar="S", help="seconds between two reports of a device"
    )
    command.add_argument("--online", action="store_true", help="keep a retained status per device")
    command.add_argument("--gateway", action="store_true",
                         help="one gateway speaks for all devices and sends again what is missing")  # fmt: skip


def _add_fleet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--devices", type=arguments.count, default=DEFAULT_DEVICES, metavar="N",
                         help="number of simulated devices (default %(default)s)")  # fmt: skip
    command.add_argument("--speed", type=arguments.positive, default=1.0, metavar="X",
                         help="how much faster the simulated time of day runs (default %(default)s)")  # fmt: skip
    command.add_argument("--seed", type=int, default=1, metavar="S", help="seed (default %(default)s)")


def _add_replay(into: "Commands", common: argparse.ArgumentParser) -> None:
    command = _add(into, common, "replay", "publish a recorded trace", commands.replay)
    command.add_argument("trace", metavar="TRACE", help="folder with the recording, or the name of a bundled one")
    command.add_argument("--speed", default="1", metavar="X", help="how much faster than recorded, or max (default 1)")
    command.add_argument("--map", type=Path, metavar="FILE", help="trace.toml to use instead of the folder's own")
    command.add_argument("--mqtt", metavar="URL", help="broker to publish to (default: the configured one)")


def _add_recompute(into: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "rebuild vital signs of the past from stored readings"
    command = _add(into, common, "recompute", purpose, commands.recompute)
    command.add_argument("--from", dest="start", required=True, metavar="T", help="first minute, RFC 3339 with offset")
    command.add_argument("--to", dest="end", metavar="T", help="first minute not wanted any more (default: now)")
    command.add_argument("--policy", type=Path, metavar="FILE",
                         help="policy to use (default: for each minute the one that was in force)")  # fmt: skip
    command.add_argument("--dry-run", action="store_true", help="only say how many values differ from what is stored")
    command.add_argument("--anew", action="store_true", help="do not go on where an interrupted run stopped")


def _add_import(into: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "take a recorded trace into the database with its own times"
    command = _add(into, common, "import", purpose, commands.import_traces)
    command.add_argument(
        "traces", nargs="+", metavar="TRACE", help="folder with a recording, or the name of a bundled one"
    )
    command.add_argument("--map", type=Path, metavar="FILE", help="trace.toml to use instead of the folder's own")
    command.add_argument("--recompute", action="store_true", help="then rebuild the vital signs of the span it touches")


def _add_check_device(into: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "check a device's payload against the contract, or show why its messages are rejected"
    command = _add(into, common, "check-device", purpose, commands.check_device)
    command.add_argument("stream", help="stream of the payload (bus_arrival, ...), or the device's kind")
    command.add_argument("target", metavar="FILE|DEVICE", help="payload file (- for standard input) or device id")
    command.add_argument("--mqtt", metavar="URL", help="broker to listen to (default: the configured one)")
    command.add_argument(
        "--seconds", type=arguments.positive, metavar="S", help="how long to listen (default: until stopped)"
    )


def _add_policy_file(command: argparse.ArgumentParser) -> None:
    command.add_argument("--policy", type=Path, metavar="FILE",
                         help="the city's own weights and goalposts, watched while it runs"
                         " (default: policy.toml in the data folder)")  # fmt: skip


def _add_policy(into: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "print the policy in force as TOML to start from, check a policy file, or compare two"
    command = _add(into, common, "policy", purpose, commands.policy)
    command.add_argument("words", nargs="*", metavar="check FILE | diff A B", help="files, or `shipped`")


def _add_sensitivity(into: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "how stable the ranks of districts are when weights and goalposts are moved (Monte Carlo)"
    command = _add(into, common, "sensitivity", purpose, commands.sensitivity)
    command.add_argument(
        "--samples", type=arguments.count, default=2000, metavar="N", help="samples (default %(default)s)"
    )
    command.add_argument("--seed", type=int, default=1, metavar="S", help="seed (default %(default)s)")
    command.add_argument("--at", metavar="T", help="minute to look at, RFC 3339 (default: the newest final one)")
    command.add_argument("--from", dest="start", metavar="T", help="with --to: the mean over a span of minutes")
    command.add_argument("--to", dest="end", metavar="T", help="last minute of the span")
    command.add_argument("--weights", type=arguments.share, default=0.5, metavar="X",
                         help="half width of the spread of weights (default %(default)s: ±50 %%)")  # fmt: skip
    command.add_argument("--goalposts", type=arguments.share, default=0.2, metavar="X",
                         help="the same of goalposts, of the gap beside each (default %(default)s)")  # fmt: skip
    command.add_argument("--policy", type=Path, metavar="FILE", help="policy to vary (default: the shipped one)")
    command.add_argument("--json", type=Path, metavar="F", help="file to write everything to")
    command.add_argument("--picture", type=Path, metavar="F", help="SVG file to write the picture to")
    command.add_argument("--markdown", action="store_true", help="print the tables as Markdown")


def _add_forecast(into: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "back-test the forecast on a file of your own, beside the naive seasonal one"
    command = _add(into, common, "forecast", purpose, commands.forecast)
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
        command.add_argument(
            option, type=arguments.length, default=default, metavar="T", help=f"{text} (default %(default)s)"
        )
    command.add_argument("--json", type=Path, metavar="F", help="file to write all figures to, - for standard output")


def _add_bench(into: "Commands", common: argparse.ArgumentParser) -> None:
    purpose = "measure side by side: cityvitals, the limit of its parts, its peers"
    command = _add(into, common, "bench", purpose, commands.bench)
    command.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (default: all)")
    command.add_argument("--json", type=Path, metavar="F", help="file to write all figures to")
    command.add_argument("--rounds", type=arguments.count, default=5, metavar="N", help="rounds (default %(default)s)")
    command.add_argument("--scale", type=arguments.positive, default=1.0, metavar="X",
                         help="part of the full amount of data (default %(default)s)")  # fmt: skip
    command.add_argument("--report", type=Path, nargs="+", metavar="F",
                         help="measure nothing: write docs/performance.md and plots from files of --json")  # fmt: skip


def _add_listener(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="127.0.0.1", metavar="H",
                         help="address the API listens on (default %(default)s)")  # fmt: skip
    command.add_argument("--port", type=arguments.port, default=DEFAULT_HTTP_PORT, metavar="PORT",
                         help="port of the API (default %(default)s)")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
