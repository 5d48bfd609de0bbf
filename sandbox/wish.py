"""Reads from `REPOS`, `EXPORTS` and `DAYS` which repositories the demo backfills, and how many days of history are
bought.
"""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from errors import BadInput

GENERATED = (
    "octo-org/handbook?pull_requests=80&issues=160&discussions=60&stars=300&forks=40&releases=5&pushes=150&seed=1",
    "octo-org/server?pull_requests=500&issues=400&discussions=120&stars=2000&forks=300&releases=60&pushes=400&seed=2",
    "octo-org/website?pull_requests=240&issues=120&stars=150&forks=20&releases=10&pushes=200&seed=3",
)
FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True)
class Wish:
    """The repositories that the demo backfills, and `days` of history. If `real` is true, the repositories are on the
    real GitHub. Otherwise the stand-in serves them: from `exports` if there are any, or else generated.
    """

    repositories: tuple[str, ...]
    real: bool
    exports: tuple[Path, ...]
    days: int


def wish(environment: Mapping[str, str]) -> Wish:
    """Reads `REPOS`, `EXPORTS` and `DAYS`. Raises a `BadInput` that names the wrong variable."""
    repositories = tuple(dict.fromkeys(environment.get("REPOS", "").replace(",", " ").split()))
    for name in repositories:
        if not FULL_NAME.fullmatch(name):
            raise BadInput("REPOS", f"{name!r} is not of the form owner/name")
    exports = tuple(path for word in environment.get("EXPORTS", "").split() for path in _exports(Path(word)))
    if repositories and exports:
        raise BadInput("EXPORTS", "the stand-in serves these, REPOS come from GitHub: choose one")
    if repositories and not tokens(environment):
        raise BadInput("GITHUB_TOKEN", "missing; REPOS come from the real GitHub")
    days = environment.get("DAYS") or ("10000" if exports else "365")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", days) or int(days) > 36_500:
        raise BadInput("DAYS", "must be a whole number from 1 to 36500")
    if not repositories:
        served = tuple(_repository_of(path) for path in exports)
        return Wish(served or tuple(each.partition("?")[0] for each in GENERATED), False, exports, int(days))
    return Wish(repositories, True, (), int(days))


def tokens(environment: Mapping[str, str]) -> list[str]:
    tokens = environment.get("GITHUB_TOKENS") or environment.get("GITHUB_TOKEN") or ""
    return [token.strip() for token in tokens.split(",") if token.strip()]


def _exports(path: Path) -> list[Path]:
    found = sorted(path.glob("*.json.gz")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise BadInput("EXPORTS", f"{path} is neither an export nor a folder of them")
    return [each.resolve() for each in found]


def _repository_of(export: Path) -> str:
    try:
        with gzip.open(export) as file:
            return str(json.load(file)["repo"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        raise BadInput("EXPORTS", f"{export} is not a repository's export") from None
