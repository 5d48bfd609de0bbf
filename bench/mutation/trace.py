"""Records which functions of the product a test calls, in its own process or in programs that it starts."""

import json
import os
import sys
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from time import monotonic
from types import CodeType, FrameType
from typing import Any

import pytest

PROGRAMS = Path(__file__).with_name("traced")
"""The folder of `sitecustomize.py`, which traces programs."""


class Trace:
    """A plugin for pytest: appends [test, seconds, functions] to the file `result` for each test that passes."""

    def __init__(self, root: Path, packages: Sequence[str], directory: Path, result: Path) -> None:
        self._root, self._directory, self._result = f"{root}/", directory, result
        self._packages = packages
        self._paths = tuple(f"{root}/{each}/" for each in packages)
        self._known: dict[int, tuple[CodeType, str | None]] = {}
        self._called: set[str] = set()
        self._read: dict[Path, int] = {}
        self._failed: set[str] = set()

    def pytest_configure(self) -> None:
        os.environ |= {
            "MUTATION_ROOT": self._root.rstrip("/"),
            "MUTATION_PACKAGES": ",".join(self._packages),
            "MUTATION_TRACE": str(self._directory),
            "PYTHONPATH": str(PROGRAMS),
        }
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> None:
        code = frame.f_code
        known = self._known.get(id(code))
        if known is None:
            path = code.co_filename
            ours = path.startswith(self._paths) and code.co_name != "<module>"
            known = self._known[id(code)] = code, f"{path[len(self._root) :]}:{code.co_qualname}" if ours else None
        if known[1] is not None:
            self._called.add(known[1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._called.clear()
        if sys.gettrace() is None:
            sys.settrace(self._call)
        began = monotonic()
        result = yield
        seconds = round(monotonic() - began, 3)
        called = self._called | self._of_programs()
        if item.nodeid not in self._failed:
            with self._result.open("a") as file:
                file.write(json.dumps([item.nodeid, seconds, sorted(called)]) + "\n")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    def _of_programs(self) -> set[str]:
        called = set()
        for path in self._directory.iterdir():
            with path.open() as file:
                file.seek(self._read.get(path, 0))
                called |= set(file.read().split("\n"))
                self._read[path] = file.tell()
        return called - {""}
