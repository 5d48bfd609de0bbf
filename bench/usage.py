"""What the operating system says that a process has used."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """Of one running process since it began."""

    cpu_seconds: float
    """User and system time of all its threads."""
    peak_bytes: int | None
    """The most memory it ever had resident. None where the system does not tell (it does on Linux)."""


def of(pid: int) -> Usage:
    """Raises `psutil.NoSuchProcess` if it has ended."""
    times = psutil.Process(pid).cpu_times()
    return Usage(times.user + times.system, _peak(pid))


def _peak(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else None
