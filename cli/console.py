"""Prints the output of commands: tables for people, JSON for programs, and errors as one line."""

import sys
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

import logs

PIPED_WIDTH = 240
"""Width for piped output, enough for a whole row of any table."""


def console() -> Console:
    """Returns a console that prints texts unchanged. Markup and emoji codes in the texts are not interpreted."""
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)


def print_json(of: Any, kind: Any) -> None:
    """Prints `of`, a model or a list of models of the type `kind`, as JSON."""
    print(TypeAdapter(kind).dump_json(of, indent=2).decode())


def complain(what: str, exit_code: int) -> int:
    """Prints one line to standard error; returns `exit_code`."""
    print(f"starter: {one_line(what)}", file=sys.stderr)
    return exit_code


def one_line(what: object) -> str:
    """Returns `what` as text on one line, without secrets."""
    return " ".join(logs.redact(str(what)).split())
