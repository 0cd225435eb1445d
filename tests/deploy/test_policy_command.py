"""What `cityvitals policy` prints can be used as it is; what is wrong with a file is told."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from deploy.errors import DeployError
from deploy.policy_command import run_policy
from deploy.settings import Settings, load
from processing.policy import SHIPPED, parse
from processing.policy_store import record_change

HEAVY = "[domains.parking]\nweight = 3\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"HOME": str(tmp_path)}, data_dir=tmp_path)


def test_what_is_printed_is_the_policy_in_force(
    settings: Settings, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_policy([], settings)
    assert parse(capsys.readouterr().out) == SHIPPED
    settings.policy_file.write_text(HEAVY, encoding="utf-8")
    run_policy([], settings)
    assert parse(capsys.readouterr().out) == parse(HEAVY)
    other = parse("[domains.waste]\nweight = 2\n")
    with psycopg.connect(database_url) as connection:
        record_change(connection, other, 1_700_000_000_000_000)
    run_policy([], replace(settings, database_url=database_url))
    assert parse(capsys.readouterr().out) == other


def test_files_are_checked_and_compared(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(HEAVY, encoding="utf-8")
    assert run_policy(["check", str(file)], settings) == 0
    assert f"policy {parse(HEAVY).version}, 1 number differs" in capsys.readouterr().out
    assert run_policy(["diff", "shipped", str(file)], settings) == 0
    assert capsys.readouterr().out == "domains.parking.weight: 1.0 -> 3.0\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"[domains.parking]\nweight = -3", "weight is -3"), (b"\xff\xfe", "UTF-8"), (None, "No such")],
)
def test_a_wrong_file_is_refused_with_its_reason(
    settings: Settings, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DeployError, match=words):
        run_policy(["check", str(file)], settings)


def test_other_words_are_refused(settings: Settings) -> None:
    with pytest.raises(DeployError, match="check FILE"):
        run_policy(["chekc"], settings)


def test_the_policy_file_is_that_of_the_data_folder_unless_another_is_named(tmp_path: Path) -> None:
    assert load({"HOME": "/h"}, data_dir=tmp_path).policy_file == tmp_path / "policy.toml"
    named = load({"HOME": "/h", "CITYVITALS_POLICY": "/etc/city.toml"}, data_dir=tmp_path)
    assert named.policy_file == Path("/etc/city.toml")
