"""`cityvitals policy`: print the policy in force to start from, check a file, compare two."""

import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg

from deploy.errors import DeployError
from deploy.settings import Settings
from processing.policy import SHIPPED, Change, Policy, PolicyError, differences, parse, write

ACTIONS = "check FILE, or diff A B (files, or `shipped`)"
SHIPPED_NAME = "shipped"


def run_policy(words: Sequence[str], settings: Settings) -> int:
    """Do what the words say; the process's exit code: 1 where a file is wrong."""
    match list(words):
        case []:
            print(in_force(settings), end="")
        case ["check", file]:
            policy = read(file)
            print(f"{file} is right: policy {policy.version}, {_counted(differences(SHIPPED, policy))}")
        case ["diff", old, new]:
            for change in differences(read(old), read(new)):
                print(f"{change.path}: {_shown(change.old)} -> {_shown(change.new)}")
        case _:
            raise DeployError(f"policy {' '.join(words)} is not understood; it must be nothing, {ACTIONS}")
    return 0


def in_force(settings: Settings) -> str:
    """The policy that the running pipeline uses, as TOML; where no database tells, what it would use."""
    try:
        with psycopg.connect(settings.database, connect_timeout=3) as connection:
            row = connection.execute(
                "SELECT p.text FROM policy_changes c JOIN policies p USING (version) ORDER BY c.at DESC LIMIT 1"
            ).fetchone()
        if row is not None:
            return str(row[0])
    except (DeployError, psycopg.Error):
        print("cityvitals: no database answers; this is the policy of the file, or the shipped one", file=sys.stderr)
    return write(read(str(settings.policy_file)) if settings.policy_file.exists() else SHIPPED)


def read(name: str) -> Policy:
    """The policy of a file. Raises DeployError saying all that is wrong."""
    if name == SHIPPED_NAME:
        return SHIPPED
    try:
        return parse(Path(name).read_text(encoding="utf-8"))
    except PolicyError as error:
        raise DeployError(f"{name} cannot be used:\n{error}") from error
    except UnicodeDecodeError as error:
        raise DeployError(f"{name} is not UTF-8; it must be a TOML file") from error
    except OSError as error:
        raise DeployError(f"{name} cannot be read: {error.strerror or error}") from error


def _counted(changes: Sequence[Change]) -> str:
    return f"{len(changes)} {'number differs' if len(changes) == 1 else 'numbers differ'} from the shipped one"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
