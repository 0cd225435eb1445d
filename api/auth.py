"""API keys: ``id.secret`` with 256 random bits, kept as keyed BLAKE2b digests and compared in constant time."""

import hmac
import re
import secrets
from collections.abc import Iterable
from hashlib import blake2b

from starlette.requests import HTTPConnection

COOKIE = "cityvitals_key"

_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43,128})", re.ASCII)
SAFE_METHODS = frozenset({"GET", "HEAD"})


class KeyFormatError(ValueError):
    """A configured API key is not of the form id.secret."""


def new_key(name: str) -> str:
    """A fresh key for ``name``: what its owner sends, and what goes into the settings."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name, re.ASCII):
        raise KeyFormatError(f"key id is {name!r}, must be 1–64 letters, digits, _ or -")
    return f"{name}.{secrets.token_urlsafe(32)}"


class Keyring:
    """The keys that open the API; empty means that none is needed.

    Only digests stay in memory, keyed with random bytes of this process, so neither a memory image nor a timing
    tells a secret.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._pepper = secrets.token_bytes(32)
        self._digests: dict[str, bytes] = {}
        for place, key in enumerate(keys, 1):
            match = _TOKEN.fullmatch(key)
            if match is None:
                raise KeyFormatError(
                    f"API key number {place} is not of the form id.secret with at least 43 characters of secret "
                    "(256 bits); make one with python -c 'from api.auth import new_key; print(new_key(\"ops\"))'"
                )
            self._digests[match[1]] = self._digest(key)
        self._nobody = self._digest(secrets.token_urlsafe(32))

    def __bool__(self) -> bool:
        return bool(self._digests)

    def owner(self, key: str) -> str | None:
        """The id of a valid key, else None; takes as long for an unknown id as for a wrong secret."""
        name = key.partition(".")[0]
        known = self._digests.get(name, self._nobody)
        matches = hmac.compare_digest(self._digest(key), known)
        return name if matches and name in self._digests else None

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode("utf-8", "surrogateescape"), key=self._pepper, digest_size=32).digest()


def presented_key(connection: HTTPConnection) -> str | None:
    """The key a request carries: ``Authorization: Bearer``, ``X-API-Key``, or, where nothing is changed, the cookie.

    Browsers can set no header on EventSource and WebSocket; the cookie is for them. It is not taken for a
    request that changes something, so that no foreign page can make a browser do that.
    """
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    if key := connection.headers.get("x-api-key"):
        return key
    if connection.scope["type"] == "websocket" or connection.scope.get("method") in SAFE_METHODS:
        return connection.cookies.get(COOKIE)
    return None


def same_origin(connection: HTTPConnection, allowed: Iterable[str]) -> bool:
    """Whether a request's Origin is this server's own host or an allowed one; programs send none."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    return origin in allowed or origin.partition("://")[2].lower() == connection.headers.get("host", "").lower()
