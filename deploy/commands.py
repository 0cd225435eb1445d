"""What each subcommand does; each imports only what it runs. All take (options, settings), return the exit code."""

import argparse
import logging
from dataclasses import replace

from deploy.errors import DeployError
from deploy.settings import Settings


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def up(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.supervisor import UpOptions, up

    settings = _with_policy(options, settings)
    fleet = ("--devices", str(options.devices), "--speed", str(options.speed), "--seed", str(options.seed))
    return up(UpOptions(options.host, options.port, options.devices > 0 and not options.no_devices, fleet), settings)


def pipeline(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.pipeline import run_pipeline

    _log_to_stderr()
    return run_pipeline(_with_policy(options, settings))


def _with_policy(options: argparse.Namespace, settings: Settings) -> Settings:
    if options.policy is None:
        return settings
    if not options.policy.is_file():
        raise DeployError(f"--policy is {options.policy}; there is no such file")
    return replace(settings, policy=options.policy.absolute())


def api(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.serve import Listener, run_api

    _log_to_stderr()
    return run_api(settings, Listener(options.host, options.port, options.trusted_network))


def broker(_options: argparse.Namespace, settings: Settings) -> int:
    from deploy.standalone import run_broker

    return run_broker(settings)


def database(_options: argparse.Namespace, settings: Settings) -> int:
    from deploy.standalone import run_database

    return run_database(settings)


def migrate(_options: argparse.Namespace, settings: Settings) -> int:
    from deploy.migration import run_migration

    return run_migration(settings)


def simulate(options: argparse.Namespace, settings: Settings) -> int:
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


def replay(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.simulate import run_replay, stop_on_signals
    from devices.recording.format import TraceError
    from devices.replay import parse_speed

    try:
        speed = parse_speed(options.speed)
    except TraceError as error:
        raise DeployError(f"--speed: {error}") from error
    url = options.mqtt or settings.broker
    return run_replay(options.trace, url, settings.city, stop_on_signals(), speed=speed, map_file=options.map)


def recompute(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.recompute import Wanted, run_recompute
    from deploy.simulate import stop_on_signals

    wanted = Wanted(options.start, options.end, options.policy, options.dry_run, options.anew)
    return run_recompute(wanted, settings, stop_on_signals())


def import_traces(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.importing import run_import
    from deploy.simulate import stop_on_signals

    return run_import(options.traces, options.map, settings, stop_on_signals(), then_recompute=options.recompute)


def contract(_options: argparse.Namespace, _settings: Settings) -> int:
    from devices.asyncapi import asyncapi

    print(asyncapi())
    return 0


def check_device(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.device_check import run_check

    return run_check(options.stream, options.target, settings, mqtt_url=options.mqtt, seconds=options.seconds)


def policy(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.policy_command import run_policy

    return run_policy(options.words, settings)


def sensitivity(options: argparse.Namespace, settings: Settings) -> int:
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


def forecast(options: argparse.Namespace, _settings: Settings) -> int:
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


def bench(options: argparse.Namespace, settings: Settings) -> int:
    from deploy.bench.command import run_benchmarks, write_report

    if options.report:
        return write_report(options.report, settings)
    return run_benchmarks(options.names, settings, rounds=options.rounds, scale=options.scale, file=options.json)
