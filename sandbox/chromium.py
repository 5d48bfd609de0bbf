"""Starts this machine's Chromium without a window. The page's tests, the benchmarks and `make pictures` use it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from playwright.async_api import Browser, Playwright

from errors import BadInput, Unreachable

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--disable-gpu", "--disable-background-networking")
HOW_TO_GET_ONE = (
    "there is no Chromium: apt-get install chromium, or .venv/bin/playwright install chromium, "
    "or set CHROMIUM to the path of one"
)


def find(own: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the path of a Chromium, or None if this machine has none. First comes the program that the variable
    `CHROMIUM` names, then a Chromium on the PATH, then the file `own`, which is Playwright's.

    Raises `BadInput` if `CHROMIUM` names no program.
    """
    if wanted := environment.get("CHROMIUM"):
        if found := shutil.which(wanted, path=environment.get("PATH", "")):
            return Path(found)
        raise BadInput("CHROMIUM", f"{wanted} is no program")
    on_the_path = (shutil.which(name, path=environment.get("PATH", "")) for name in NAMES)
    return next((Path(found) for found in on_the_path if found), own if own.is_file() else None)


async def launch(playwright: Playwright, *flags: str) -> Browser:
    """Starts a browser without a window; the caller closes the browser. Raises `Unreachable` if this machine has no
    Chromium.
    """
    program = find(Path(playwright.chromium.executable_path))
    if program is None:
        raise Unreachable("no_chromium", HOW_TO_GET_ONE)
    return await playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
