"""What every peer has to provide: how it is installed, how it is run, and how its output is read."""

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
    """A row in the output of a peer. `key` is the primary key that the peer gives to such rows."""

    noun: str
    """The kind of row, such as `reviews`."""
    node_id: str
    key: Any


class NotInstalledError(Exception):
    """Raised if a peer cannot be installed. The message holds the last lines of pip."""


class Peer(ABC):
    """An extractor to compare this system with. `package` is its name on PyPI; `{package}.txt` pins its version."""

    package: ClassVar[str]
    reads_many: ClassVar[bool] = True
    """Whether one run can read several repositories."""

    def install(self, cache: Path) -> Path:
        """Returns the folder with the peer's programs. It is created below `cache` if it does not exist. Raises
        `NotInstalledError`.
        """
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
        """Returns the commands, in their order, that fetch the case's data types with all their children from the
        API at `url`.

        Each command writes rows to standard output, as JSON lines. Settings are written into `directory`.
        """

    @abstractmethod
    def found(self, line: Mapping[str, Any]) -> Iterator[Found]:
        """Yields the rows in one line of the peer's output."""


def _run(command: Sequence[str | Path]) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
    if ended.returncode:
        raise NotInstalledError(" ".join(ended.stderr.strip().splitlines()[-3:]) or f"exit code {ended.returncode}")


def emitted(peer: Peer, output: Path) -> tuple[dict[str, set[str]], int]:
    """By noun, the node ids of everything in a peer's output; and how many rows had no key."""
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
