"""`check-device` judges payloads as ingest does, and shows why a device's messages are refused."""

import json
import subprocess
from pathlib import Path

import pytest

from deploy.cli import main
from deploy.device_check import verdicts
from deploy.supervisor import own_command
from devices.kinds import streams
from devices.publisher import Publisher

BAY = {"dateObserved": "2026-11-20T08:00:00+08:00", "status": "occupied"}


def _judge(text: str) -> list[str | None]:
    return [flaw for _, flaw in verdicts(streams()["parking_bay"], text.encode())]


def test_a_right_reading_and_a_right_pack_pass() -> None:
    assert _judge(json.dumps(BAY)) == [None]
    assert _judge(json.dumps([BAY, BAY])) == [None, None]


def test_readings_of_a_pack_are_counted_as_in_answers_on_err() -> None:
    found = verdicts(streams()["parking_bay"], json.dumps([BAY, {**BAY, "status": 7}]).encode())
    assert [where for where, flaw in found if flaw] == ["item 1"]


def test_one_payload_a_line_is_judged_line_by_line() -> None:
    first, second, third = _judge(json.dumps(BAY) + "\n" + json.dumps({**BAY, "status": "gone"}) + "\n{broken\n")
    assert first is None
    assert second is not None
    assert "status" in second
    assert third is not None
    assert third.startswith("syntax: ")


@pytest.mark.parametrize(("text", "reason"), [("[" * 5000, "syntax"), ("[]", "schema"), ("", "syntax")])
def test_what_is_no_payload_is_refused_as_ingest_does(text: str, reason: str) -> None:
    (flaw,) = _judge(text)
    assert flaw is not None
    assert flaw.startswith(f"{reason}: the pa")


def test_a_file_with_a_flaw_gives_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "payload.json"
    file.write_text(json.dumps({**BAY, "status": 7}))
    assert main(["check-device", "parking_bay", str(file)]) == 1
    assert capsys.readouterr().out.endswith("0 right, 1 wrong\n")


def test_an_unknown_stream_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-device", "parkingbay", "-"]) == 1
    assert "'parkingbay'; it must be one of bus, bus_arrival" in capsys.readouterr().err


def test_an_error_answered_to_a_device_is_shown(broker_url: str) -> None:
    command = own_command("check-device", "parking_bay", "bay-checked", "--mqtt", broker_url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "listening on cv1/310000/parking_bay/bay-checked/err\n"
        body = {"reason": "range", "detail": "fillingLevel is 1.4", "receivedAt": "2026-11-20T08:00:00Z"}
        with Publisher(broker_url) as publisher:
            publisher.publish("cv1/310000/parking_bay/bay-checked/err", json.dumps(body).encode(), retain=True)
        assert process.stdout.readline() == "2026-11-20T08:00:00Z  range: fillingLevel is 1.4\n"
        process.terminate()
        assert process.wait() == 1
