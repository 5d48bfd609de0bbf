"""Reads a process' resource usage from the operating system."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """The usage of one running process since its start."""

    cpu_seconds: float
    """User and system time of all its threads."""
    peak_bytes: int | None
    """Peak resident memory; None if the system does not report it (Linux does)."""


def of(pid: int) -> Usage:
    """The usage of a process. Raises `psutil.NoSuchProcess` if it has ended."""
    times = psutil.Process(pid).cpu_times()
    return Usage(times.user + times.system, _peak(pid))


def _peak(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else None


def peak_of_tree(pid: int) -> int:
    """The sum of peak memory of a process and its present children, in bytes; 0 once it has ended, or if it is not
    reported."""
    try:
        process = psutil.Process(pid)
        return sum(_peak(each.pid) or 0 for each in (process, *process.children(recursive=True)))
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return 0
