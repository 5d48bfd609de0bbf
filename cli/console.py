"""Where commands write: tables for people, JSON for programs, and errors as one line."""

import sys
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

import logs

PIPED_WIDTH = 240
"""Wide enough for a whole row of any table."""


def console() -> Console:
    """Names and messages of others are shown as they are: no markup, no emoji."""
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)


def print_json(of: Any, kind: Any) -> None:
    """Writes a value of this type, a model or a list of them."""
    print(TypeAdapter(kind).dump_json(of, indent=2).decode())


def complain(what: str, exit_code: int) -> int:
    """Writes one line to standard error, and answers the exit code."""
    print(f"starter: {one_line(what)}", file=sys.stderr)
    return exit_code


def one_line(what: object) -> str:
    """Without secrets and line ends."""
    return " ".join(logs.redact(str(what)).split())
