"""Finds a trace: a folder with a ``trace.toml``, one that comes along by name, or data that a bundled mapping fits."""

from dataclasses import dataclass
from pathlib import Path

from devices.recording.format import TraceError, TraceFile, parse_trace
from devices.recording.tables import source_files

TRACES = Path(__file__).parent.parent / "traces"
FILE = "trace.toml"


@dataclass(frozen=True)
class Located:
    """Where a trace's data are, which file maps them, and a remark for the operator on how that was found."""

    folder: Path
    map_file: Path
    trace: TraceFile
    remark: str = ""


def locate(folder_or_name: str | Path, map_file: str | Path | None = None) -> Located:
    """Find data and mapping. Raises TraceError saying where was looked."""
    folder = Path(folder_or_name)
    if not folder.is_dir():
        folder = TRACES / folder_or_name
        if not (folder / FILE).is_file():
            raise TraceError(f"trace {str(folder_or_name)!r} is neither a folder nor one of: {', '.join(bundled())}")
    if map_file is not None:
        path = Path(map_file)
        return Located(folder, path, _read(path))
    if (folder / FILE).is_file():
        trace = _read(folder / FILE)
        if folder.parent == TRACES and not _has_data(folder, trace):
            raise TraceError(f"trace {folder.name} comes without its data: give the folder that holds them")
        return Located(folder, folder / FILE, trace)
    return _guess(folder)


def bundled() -> list[str]:
    """Names of the mappings that come along."""
    return sorted(path.parent.name for path in TRACES.glob(f"*/{FILE}"))


def _guess(folder: Path) -> Located:
    """A bundled mapping for a folder without one: that of the same name, or the only one whose files are there."""
    names = bundled()
    same = folder.resolve().name
    if same in names:
        path = TRACES / same / FILE
        return Located(folder, path, _read(path), f"{folder} has no {FILE}: using the bundled mapping {same}")
    fitting = [name for name in names if _has_data(folder, _read(TRACES / name / FILE))]
    if len(fitting) == 1:
        path = TRACES / fitting[0] / FILE
        return Located(folder, path, _read(path), f"{folder} has no {FILE}: its files fit the mapping {fitting[0]}")
    why = f"fits several bundled ones ({', '.join(fitting)})" if fitting else "fits none of the bundled ones"
    raise TraceError(f"{folder}: has no {FILE} and {why}; write one (docs/traces.md) or name one with --map")


def _has_data(folder: Path, trace: TraceFile) -> bool:
    try:
        return all(source_files(folder, source) for source in trace.source)
    except TraceError:
        return False


def _read(path: Path) -> TraceFile:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    return parse_trace(text, str(path))
