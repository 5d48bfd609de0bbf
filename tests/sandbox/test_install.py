"""The pins are whole and nobody's: every file of every release has its hash, and no index or machine is named."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = ("requirements.txt", "requirements-dev.txt")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes by name."""
    entries = re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)[^\n]*\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", lock)
    return {normal(name): (version, hashes.count("--hash")) for name, version, hashes in entries}


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_a_pin_with_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith(("#", "--hash"))]
    assert len(lines) == len(pins(text)) > 20
    assert not re.search(r"(?m)://|^ *-(?!-hash)|/(?:home|root|tmp|work|opt|Users)/", text)
    # One wheel would be this machine's; a release of compiled code has dozens.
    assert all(pins(text)[compiled][1] > 20 for compiled in ("aiohttp", "asyncpg", "orjson", "pydantic-core"))


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    production, everything = (pins((ROOT / name).read_text()) for name in LOCKS)
    wanted = {normal(re.split(r"[\[<>=~! ]", each)[0]) for each in project["dependencies"]}
    development = {normal(re.split(r"[\[<>=~! ]", each)[0]) for each in project["optional-dependencies"]["dev"]}
    assert wanted <= production.keys()
    assert wanted | development <= everything.keys()
    assert {name: pin for name, pin in everything.items() if name in production} == production
