import pytest

from api.guards import host_name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8000", "localhost"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("", ""),
        ("[", ""),
    ],
)
def test_the_name_of_a_host_stands_without_port_and_brackets(host: str, name: str) -> None:
    assert host_name(host) == name
