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


def peak_of_tree(pid: int) -> int:
    """The peaks of a process and of its present children, in bytes; 0 once it has ended, or where that is not told."""
    try:
        process = psutil.Process(pid)
        return sum(_peak(each.pid) or 0 for each in (process, *process.children(recursive=True)))
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return 0
