"""`migrate` works on any TimescaleDB and says in one line why it cannot."""

import psycopg
import pytest

from deploy.cli import main
from deploy.migration import without_password


def test_migrate_makes_the_schema_and_does_nothing_the_second_time(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CITYVITALS_DATABASE_URL", empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("DROP EXTENSION timescaledb")
    assert main(["migrate"]) == 0
    assert "applied table parking_bay" in capsys.readouterr().out
    assert main(["migrate"]) == 0
    assert capsys.readouterr().out == ""


def test_a_database_that_does_not_answer_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CITYVITALS_DATABASE_URL", "postgresql://ann:secret@127.0.0.1:1/city")
    assert main(["migrate"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("cityvitals: no database at postgresql://ann@127.0.0.1:1/city")
    assert line.endswith("CITYVITALS_DATABASE_URL\n")
    assert "secret" not in line


def test_addresses_are_shown_without_their_password() -> None:
    assert without_password("postgresql://a:secret@h:1/d") == "postgresql://a@h:1/d"
    assert without_password("mqtt://h:1") == "mqtt://h:1"
