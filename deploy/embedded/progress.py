"""Shows how far a preparation is: a bar on a terminal, a few plain lines elsewhere, always on stderr."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


class Progress:
    """One preparation with stages; `advance` takes the absolute amount done of the present stage."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._total = 1
        self._is_bytes = False
        console = Console(stderr=True)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description:<26}"),
                BarColumn(),
                TextColumn("{task.fields[amount]}"),
                TimeElapsedColumn(),
            )
            self._bar = Bar(*columns, console=console, transient=True)

    def __enter__(self) -> "Progress":
        _line(f"preparing {self._title} (first start only)")
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def stage(self, name: str, total: int, files: int | None = None) -> None:
        """Begin a stage of `total` steps, or of `total` bytes in a number of `files`."""
        self._total, self._is_bytes = total, files is not None
        if self._bar:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total, amount=self._amount(0))
        elif files is not None:
            _line(f"{name} {files} packages, {total / 1e6:.0f} MB")

    def advance(self, done: int) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, amount=self._amount(done))

    def finish(self, text: str) -> None:
        """Say that everything is done."""
        if self._bar:
            self._bar.stop()
        _line(f"{self._title} {text}")

    def _amount(self, done: int) -> str:
        if self._is_bytes:
            return f"{done / 1e6:.1f} of {self._total / 1e6:.1f} MB"
        return f"{done} of {self._total}" if self._total > 1 else ""


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
