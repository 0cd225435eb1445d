"""The command line: its commands, its one-line errors."""

import os
import subprocess
import sys

import pytest

from deploy.cli import main, parser


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_every_command_of_the_contract_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    text = capsys.readouterr().out
    for command in (
        "up",
        "pipeline",
        "api",
        "broker",
        "database",
        "migrate",
        "simulate",
        "replay",
        "contract",
        "check-device",
    ):
        assert f"\n    {command}" in text


def test_up_takes_the_options_of_the_contract() -> None:
    line = "up --data-dir /d --host 127.0.0.1 --port 1 --mqtt-port 2 --db-port 3 --devices 4 --speed 5 --seed 6"
    options = parser().parse_args(line.split())
    assert (options.port, options.mqtt_port, options.db_port, options.devices, options.speed) == (1, 2, 3, 4, 5.0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["up", "--port", "70000"], "'70000' is not a port"),
        (["up", "--port", "²"], "'²' is not a port"),
        (["up", "--devices", "-1"], "not a number of devices"),
        (["up", "--speed", "0"], "'0' is not a positive number"),
        (["up", "--speed", "nan"], "'nan' is not a positive number"),
    ],
)
def test_a_wrong_option_value_is_named(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert text in _refused(capsys, *arguments)


def test_a_wrong_setting_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CITYVITALS_REGISTRATION", "sometimes")
    assert main(["migrate"]) == 1
    assert capsys.readouterr().err == (
        "cityvitals: CITYVITALS_REGISTRATION is 'sometimes'; it must be open or closed\n"
    )


def test_a_public_address_without_keys_is_refused_before_anything_starts(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.delenv("CITYVITALS_API_KEYS", raising=False)
    assert main(["up", "--data-dir", str(folder), "--host", "0.0.0.0"]) == 1
    assert "CITYVITALS_API_KEYS" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_who_reads_the_output_may_leave_early() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "import sys; from deploy.cli import main; sys.exit(main())", "contract"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
