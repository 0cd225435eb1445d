"""SQL of the policies: every one that was ever in force is kept, and from when on each was."""

from functools import lru_cache

import psycopg

from devices.units import EPOCH, MICROSECOND, format_instant
from processing.policy import SHIPPED, Policy, PolicyError, parse, write

Recorded = tuple[int, str, Policy | None]
"""µs since 1970 from which on it was in force, version, and the policy; None where this program cannot make it: the
table of indicators has changed since"""


def keep_policy(connection: psycopg.Connection, policy: Policy, at: int) -> None:
    """Keep a policy that values of ``at`` (µs since 1970) or later are made with; once is enough."""
    connection.execute(
        "INSERT INTO policies (version, text, first_used_at) VALUES (%s, %s, %s) ON CONFLICT (version)"
        " DO UPDATE SET first_used_at = least(policies.first_used_at, excluded.first_used_at)",
        [policy.version, write(policy), format_instant(at)],
    )


def record_change(connection: psycopg.Connection, policy: Policy, at: int) -> None:
    """Note that a policy is in force from ``at`` (µs since 1970) on."""
    with connection.transaction():
        keep_policy(connection, policy, at)
        connection.execute("DELETE FROM policy_changes WHERE at >= %s", [format_instant(at)])
        connection.execute(
            "INSERT INTO policy_changes (at, version) VALUES (%s, %s)", [format_instant(at), policy.version]
        )


def load_changes(connection: psycopg.Connection) -> list[Recorded]:
    """The changes of policy, oldest first."""
    rows = connection.execute(
        "SELECT c.at, p.version, p.text FROM policy_changes c JOIN policies p USING (version) ORDER BY c.at"
    ).fetchall()
    made = {version: _remade(version, text) for version, text in {(version, text) for _, version, text in rows}}
    return [((at - EPOCH) // MICROSECOND, version, made[version]) for at, version, _ in rows]


def policy_at(connection: psycopg.Connection, at: int) -> Policy:
    """The policy in force at an instant (µs since 1970), for one before the first record the first.

    The shipped one where none is on record, or where this program cannot make it.
    """
    row = connection.execute(
        "SELECT p.version, p.text FROM policy_changes c JOIN policies p USING (version)"
        " ORDER BY c.at <= %(at)s DESC, CASE WHEN c.at <= %(at)s THEN c.at END DESC, c.at LIMIT 1",
        {"at": format_instant(at)},
    ).fetchone()
    return (_remade(*row) if row else None) or SHIPPED


@lru_cache(16)
def _remade(version: str, text: str) -> Policy | None:
    try:
        policy = parse(text)
    except PolicyError:
        return None
    return policy if policy.version == version else None
