"""Reads from the operating system what a process uses."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """What one running process has used since it started."""

    cpu_seconds: float
    """User and system time of all its threads."""
    peak_bytes: int | None
    """Peak resident memory; None if the system does not report it (Linux does)."""


def of(pid: int) -> Usage:
    """Returns the usage of a process. Raises `psutil.NoSuchProcess` if it has ended."""
    times = psutil.Process(pid).cpu_times()
    return Usage(times.user + times.system, _peak(pid))


def _peak(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else None


def peak_of_tree(pid: int) -> int:
    """Returns the peak memory of a process and of its present children, added up, in bytes; 0 if the process has
    ended, or if the system does not report it.
    """
    try:
        process = psutil.Process(pid)
        return sum(_peak(each.pid) or 0 for each in (process, *process.children(recursive=True)))
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return 0
