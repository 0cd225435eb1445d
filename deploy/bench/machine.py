"""What the machine is, so that figures can be read."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np


def describe() -> dict[str, Any]:
    """Processor, memory, system and the load at the start."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memoryMegabytes": int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load": os.getloadavg(),
    }


def peak_megabytes(pid: int) -> float:
    """The most memory a process ever had in RAM."""
    return int(_field(f"/proc/{pid}/status", "VmHWM").split()[0]) / 1024


def processor_seconds(pid: int) -> float:
    """Processor time a process and those it started have used, all threads."""
    ticks = sum(int(part) for part in _stat(str(pid))[11:15])
    for other in os.listdir("/proc"):
        if other.isdigit() and (parts := _stat(other)) and parts[1] == str(pid):
            ticks += int(parts[11]) + int(parts[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: str) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return "0 unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "0 unknown")
