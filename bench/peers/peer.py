"""What a peer is: how it is installed, what is run, and what it says that it found."""

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from bench.stage import Case

HERE = Path(__file__).parent
INSTALL_SECONDS = 600


class Found(NamedTuple):
    """`key` is what the peer itself tells the rows of a noun apart by."""

    noun: str
    node_id: str
    key: Any


class NotInstalledError(Exception):
    """With pip's last words."""


class Peer(ABC):
    """`package` is its name on PyPI; what version, `{package}.txt` says."""

    package: ClassVar[str]

    def install(self, cache: Path) -> Path:
        """The folder of its programs, made below `cache` if it is not there yet. Raises `NotInstalledError`."""
        requirements = HERE / f"{self.package}.txt"
        environment = cache / self.package
        stamp = environment / "installed.txt"
        if not stamp.exists() or stamp.read_text() != requirements.read_text():
            python = environment / "bin" / "python"
            _run([sys.executable, "-m", "venv", "--clear", environment])
            _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])
            stamp.write_text(requirements.read_text())
        return environment / "bin"

    @abstractmethod
    def commands(self, programs: Path, directory: Path, url: str, case: Case) -> list[list[str | Path]]:
        """What brings the first of the case's data types, with all that hangs on it, from the API at `url`, in order.

        Each writes what it finds to standard output, a line of JSON each. Settings are written into `directory`."""

    @abstractmethod
    def found(self, line: Mapping[str, Any]) -> Iterator[Found]:
        """What one line of its output tells of."""


def _run(command: Sequence[str | Path]) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
    if ended.returncode:
        raise NotInstalledError(" ".join(ended.stderr.strip().splitlines()[-3:]) or f"exit code {ended.returncode}")


def emitted(peer: Peer, output: Path) -> tuple[dict[str, set[str]], int]:
    """Noun -> node ids of all that a peer wrote, and how many of these came without their key."""
    census: dict[str, set[str]] = {}
    unkeyed = set()
    with output.open(errors="replace") as lines:
        for line in lines:
            if line.startswith("{"):
                for found in peer.found(json.loads(line)):
                    census.setdefault(found.noun, set()).add(found.node_id)
                    if found.key is None:
                        unkeyed.add(found.node_id)
    return census, len(unkeyed)
