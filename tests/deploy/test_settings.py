"""Settings: defaults, what the environment changes, and errors that name the variable."""

import math
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.settings import MINUTES_KEPT_DAYS, default_cache_dir, default_data_dir, load
from ingest.retention import Retention


def _environment(tmp_path: Path, **values: str) -> dict[str, str]:
    return {"HOME": str(tmp_path), "CITYVITALS_CACHE_DIR": str(tmp_path / "cache"), **values}


def test_a_plain_user_keeps_data_and_cache_in_its_own_folders() -> None:
    assert default_data_dir({"HOME": "/home/ann"}, root=False) == Path("/home/ann/.local/share/cityvitals")
    assert default_cache_dir({"HOME": "/home/ann"}, root=False) == Path("/home/ann/.cache/cityvitals")


def test_the_xdg_variables_move_the_folders_unless_they_are_relative() -> None:
    moved = {"HOME": "/home/ann", "XDG_DATA_HOME": "/big/data", "XDG_CACHE_HOME": "cache"}
    assert default_data_dir(moved, root=False) == Path("/big/data/cityvitals")
    assert default_cache_dir(moved, root=False) == Path("/home/ann/.cache/cityvitals")


def test_root_keeps_data_and_cache_where_other_accounts_can_enter() -> None:
    assert default_data_dir({"HOME": "/root"}, root=True) == Path("/var/lib/cityvitals")
    assert default_cache_dir({"HOME": "/root"}, root=True) == Path("/var/cache/cityvitals")


def test_without_home_the_error_says_what_to_set() -> None:
    with pytest.raises(DeployError, match=r"neither HOME nor XDG_DATA_HOME .*in CITYVITALS_DATA_DIR"):
        default_data_dir({}, root=False)
    with pytest.raises(DeployError, match=r"neither HOME nor XDG_CACHE_HOME .*in CITYVITALS_CACHE_DIR"):
        default_cache_dir({}, root=False)


def test_the_command_line_wins_over_the_variable_for_the_data_folder(tmp_path: Path) -> None:
    settings = load(_environment(tmp_path, CITYVITALS_DATA_DIR="/elsewhere"), data_dir=tmp_path / "mine")
    assert settings.data_dir == tmp_path / "mine"


def test_the_embedded_servers_are_the_default(tmp_path: Path) -> None:
    settings = load(_environment(tmp_path), data_dir=tmp_path, mqtt_port=1884, database_port=5434)
    assert settings.broker == "mqtt://127.0.0.1:1884"
    settings.database_folder.mkdir()
    (settings.database_folder / "password").write_text("secret\n")
    assert settings.database == "postgresql://cityvitals:secret@127.0.0.1:5434/cityvitals"


def test_without_any_database_the_error_names_the_ways_to_one(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"CITYVITALS_DATABASE_URL is not set.*cityvitals up"):
        _ = load(_environment(tmp_path), data_dir=tmp_path).database


def test_lists_are_separated_by_commas_or_blanks(tmp_path: Path) -> None:
    settings = load(_environment(tmp_path, CITYVITALS_API_KEYS="a.1, b.2  c.3"))
    assert settings.api_keys == ("a.1", "b.2", "c.3")
    assert "a.1" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("CITYVITALS_REGISTRATION", "maybe", "must be open or closed"),
        ("CITYVITALS_DATABASE_URL", "mysql://x", "postgresql://host:port"),
        ("CITYVITALS_DATABASE_URL", "postgresql://h:port/x", "postgresql://host:port"),
        ("CITYVITALS_MQTT_URL", "localhost:1883", "mqtt://host:port"),
        ("CITYVITALS_TLS_KEY", "/no/such/key.pem", "no such file"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(tmp_path: Path, variable: str, value: str, right: str) -> None:
    with pytest.raises(DeployError) as caught:
        load(_environment(tmp_path, **{variable: value}))
    assert variable in str(caught.value)
    assert value in str(caught.value)
    assert right in str(caught.value)


def test_readings_are_kept_for_ever_and_minutes_for_two_weeks_unless_days_are_given(tmp_path: Path) -> None:
    assert load(_environment(tmp_path)).retention == Retention(vitals=MINUTES_KEPT_DAYS)
    assert load(_environment(tmp_path, CITYVITALS_RETENTION_VITALS_DAYS="forever")).retention.keeps_all
    retention = load(
        _environment(
            tmp_path,
            CITYVITALS_RETENTION_DAYS="90",
            CITYVITALS_RETENTION="bus=30, parking_bay=forever",
            CITYVITALS_RETENTION_REJECTS_DAYS="14",
        )
    ).retention
    assert (retention.of_stream("bus"), retention.of_stream("bus_arrival")) == (30, 90)
    assert retention.of_stream("parking_bay") == math.inf
    assert (retention.rejects, retention.vitals) == (14, MINUTES_KEPT_DAYS)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("CITYVITALS_RETENTION_DAYS", "1", "is '1'; it must be a number of days from 2, or forever"),
        ("CITYVITALS_RETENTION_DAYS", "month", "is 'month'; it must be"),
        ("CITYVITALS_RETENTION_VITALS_DAYS", "nan", "is 'nan'"),
        ("CITYVITALS_RETENTION", "bus", "has 'bus'; it must be a list such as bus=30,parking_bay=90"),
        ("CITYVITALS_RETENTION", "tram=30", "names 'tram'; it must be one of bus, bus_arrival"),
        ("CITYVITALS_RETENTION", "bus=0", "bus in CITYVITALS_RETENTION is '0'"),
    ],
)
def test_a_wrong_retention_names_variable_value_and_what_is_right(
    tmp_path: Path, variable: str, value: str, words: str
) -> None:
    with pytest.raises(DeployError, match=variable) as caught:
        load(_environment(tmp_path, **{variable: value}))
    assert words in str(caught.value)


def test_pipeline_and_api_log_in_at_the_embedded_broker_of_their_data_folder(tmp_path: Path) -> None:
    settings = load(_environment(tmp_path), data_dir=tmp_path, mqtt_port=1884)
    assert settings.broker_login == settings.broker
    assert settings.pipeline_client("310000") == "cityvitals-pipeline-310000"
    settings.broker_folder.mkdir()
    (settings.broker_folder / "password").write_text("secret\n")
    assert settings.broker == "mqtt://127.0.0.1:1884"
    assert settings.broker_login == "mqtt://cityvitals:secret@127.0.0.1:1884"
    elsewhere = load(_environment(tmp_path), data_dir=tmp_path, mqtt_port=1885)
    assert settings.pipeline_client("310000") == elsewhere.pipeline_client("310000")
    assert settings.pipeline_client("310000").startswith("cityvitals-pipeline-310000-")


@pytest.mark.parametrize("url", ["mqtt://broker.example:1883", "mqtt://ann:word@127.0.0.1", "mqtts://127.0.0.1"])
def test_the_embedded_brokers_password_goes_to_no_other_broker(tmp_path: Path, url: str) -> None:
    settings = load(_environment(tmp_path, CITYVITALS_MQTT_URL=url), data_dir=tmp_path)
    settings.broker_folder.mkdir()
    (settings.broker_folder / "password").write_text("secret\n")
    assert settings.broker_login == url
    assert settings.pipeline_client("310000") == "cityvitals-pipeline-310000"
