import pytest
from starlette.requests import HTTPConnection

from api.auth import KeyFormatError, Keyring, new_key, presented_key, same_origin


def connection(method: str = "GET", kind: str = "http", **headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": kind, "method": method, "headers": raw, "path": "/"})


def test_a_configured_key_opens_and_names_its_owner() -> None:
    key = new_key("ops")
    assert Keyring([new_key("other"), key]).owner(key) == "ops"


@pytest.mark.parametrize("wrong", ["", "ops", "ops.", "ops." + "A" * 43, "nobody." + "A" * 43, "ops.ключ"])
def test_another_secret_or_id_does_not_open(wrong: str) -> None:
    assert Keyring([new_key("ops")]).owner(wrong) is None


def test_no_keys_means_an_empty_ring() -> None:
    assert not Keyring()


@pytest.mark.parametrize("key", ["short.secret", "nosecret", "a b." + "A" * 43])
def test_a_weak_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(KeyFormatError) as error:
        Keyring([new_key("ops"), key])
    assert "number 2" in str(error.value)
    assert key not in str(error.value)


def test_a_key_may_come_as_bearer_or_header() -> None:
    assert presented_key(connection(authorization="Bearer a.b")) == "a.b"
    assert presented_key(connection(x_api_key="a.b")) == "a.b"


def test_the_cookie_counts_where_nothing_is_changed() -> None:
    cookie = "cityvitals_key=a.b"
    assert presented_key(connection(cookie=cookie)) == "a.b"
    assert presented_key(connection(kind="websocket", cookie=cookie)) == "a.b"
    assert presented_key(connection("POST", cookie=cookie)) is None


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1:9", False),
        ("https://evil.example", False),
        ("null", False),
        ("https://ops.example.org", True),
    ],
)
def test_a_foreign_origin_is_recognised(origin: str, same: bool) -> None:
    request = connection(host="127.0.0.1:8000", origin=origin)
    assert same_origin(request, ["https://ops.example.org"]) is same


def test_programs_send_no_origin() -> None:
    assert same_origin(connection(host="127.0.0.1:8000"), [])
