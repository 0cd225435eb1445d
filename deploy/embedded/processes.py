"""Starts programs that end with their parent, as the right user, and waits for them without missing a stop."""

import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.errors import DeployError, InterruptedByUser

Interrupted = Callable[[], bool]

_PR_SET_PDEATHSIG = 1
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_libc = ctypes.CDLL(None, use_errno=True)


def never() -> bool:
    """The stop request of callers that cannot be stopped."""
    return False


@dataclass(frozen=True)
class Account:
    """The user and group a server runs as."""

    uid: int
    gid: int
    name: str

    @property
    def is_current(self) -> bool:
        return self.uid == os.geteuid()


def server_account(folder: Path) -> Account:
    """Who runs the server that keeps its data in `folder`: as root its present owner, else postgres or nobody.

    A plain user runs everything as itself. PostgreSQL refuses to run as root.
    """
    uid = os.geteuid()
    if uid:
        return Account(uid, os.getegid(), _name_of(uid))
    if folder.exists() and (owner := folder.stat()).st_uid:
        return Account(owner.st_uid, owner.st_gid, _name_of(owner.st_uid))
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name)
    return Account(65534, 65534, "nobody")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def own_folder(folder: Path, account: Account) -> None:
    """Make `folder` a private folder of the account (mode 0700)."""
    folder.mkdir(parents=True, exist_ok=True)
    if not account.is_current:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def write_owned(path: Path, text: str, account: Account) -> None:
    """Replace a small private file of the account in one step."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if not account.is_current:
        os.chown(unfinished, account.uid, account.gid)
    os.replace(unfinished, path)


def spawn(
    command: Sequence[str | Path],
    *,
    account: Account | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session that receives `death_signal` when the calling thread's process ends.

    `folder` is entered before the user changes, so a private parent folder is no obstacle to the account.
    """
    parent = os.getpid()

    def bind_to_parent() -> None:
        # Runs after the user change, which would have cleared the setting. What a caller ignores (nohup, a shell's
        # background job) must not be ignored by a program that is ended by signals.
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), death_signal)

    change = account is not None and not account.is_current
    return subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=folder,
        env=None if environment is None else dict(environment),
        start_new_session=True,
        user=account.uid if change and account else None,
        group=account.gid if change and account else None,
        extra_groups=[] if change else None,
        preexec_fn=bind_to_parent,  # noqa: PLW1509 - signals and one prctl call; nothing else runs between fork and exec
    )


def run(
    command: Sequence[str | Path],
    *,
    interrupted: Interrupted = never,
    account: Account | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path,
) -> tuple[int, str]:
    """Run a program to its end with its output in `log`; exit code and output. Stops it when interrupted."""
    with log.open("wb") as output:
        process = spawn(command, account=account, folder=folder, environment=environment, output=output)
        try:
            while process.poll() is None:
                if interrupted():
                    raise InterruptedByUser
                time.sleep(0.02)
        finally:
            stop(process, signal.SIGTERM)
    return process.returncode, log.read_text(errors="replace")


def stop(process: subprocess.Popen[bytes], how: signal.Signals, patience: float = 10.0) -> int:
    """End a process: `how` first, SIGKILL to its whole group when it does not obey within `patience` seconds."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
    return process.wait()


def kill_group(pid: int) -> None:
    """SIGKILL to the session that `spawn` started under this process id."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def require_reachable(path: Path, account: Account, option: str) -> None:
    """Raise unless the account can enter every folder above `path`."""
    if account.is_current:
        return
    for folder in [*reversed(path.resolve().parents), path.resolve()]:
        mode = folder.stat()
        allowed = mode.st_mode & 0o001
        allowed |= mode.st_mode & 0o010 if mode.st_gid == account.gid else 0
        allowed |= mode.st_mode & 0o100 if mode.st_uid == account.uid else 0
        if folder.is_dir() and not allowed:
            raise DeployError(
                f"{path} cannot be reached by user {account.name}, who runs the servers, because {folder} is "
                f"private; set {option} to a folder that other users may enter"
            )
