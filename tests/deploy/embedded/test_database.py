"""The embedded servers as the tests themselves use them."""

import psycopg


def test_database_is_timescaledb_in_utf8_with_durable_defaults_visible(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        row = connection.execute(
            "SELECT current_setting('server_encoding'), current_setting('timescaledb.license'),"
            " (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"
        ).fetchone()
    assert row is not None
    assert row[0] == "UTF8"
    assert row[1] == "apache"
    assert row[2].startswith("2.")
