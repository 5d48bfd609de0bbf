"""Runs a program until a signal stops it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, NoReturn

import logs
import settings
from errors import BackfillError, BadInput
from release import VERSION

if TYPE_CHECKING:
    from traces import Traces

Work = Callable[[asyncio.Event], Awaitable[None]]
"""The work of a program: a function that runs until the event is set."""


def run(name: str, about: str | None, work: Work, arguments: Sequence[str] = ()) -> int:
    """Runs a program until SIGTERM or SIGINT, and returns its exit code. The exit code is 0 after such a signal, 2 if a
    setting is missing or wrong, and 3 after any other error, such as a server that cannot be reached.

    An error is printed as one line on standard error, which begins with `name`. With the argument `--version`, only
    prints the version, and with `--help` only `about`. Another argument is an error, because a program takes settings
    alone.
    """
    if tuple(arguments) == ("--version",):
        print(f"{name}.py {VERSION}")
        return 0
    if tuple(arguments) in (("--help",), ("-h",)):
        print(f"Usage: {name}.py\n\n{about}")
        return 0
    try:
        if arguments:
            raise BadInput(arguments[0], "takes no arguments, only settings (see --help)")
        logs.configure(settings.load(settings.Log).log_format)
        asyncio.run(_until_signal(work))
    except BackfillError as error:
        print(f"{name}: {' '.join(logs.redact(error.message).split())}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 3
    return 0


async def _until_signal(work: Work) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(stop)


def traced(program: str) -> AbstractAsyncContextManager["Traces | None"]:
    """Returns a context inside which the program sends traces. The context's value is the sender. If no setting names a
    receiver, nothing is sent, and the value is None.
    """
    endpoint = settings.load(settings.Traces).otel_exporter_otlp_endpoint
    if endpoint is None:
        return contextlib.nullcontext()
    # Here and not above: OpenTelemetry takes half a second, and memory, that others need not spend.
    from traces import Traces

    return Traces(program, endpoint)


def leave(code: int) -> NoReturn:
    """Ends the process at once and skips the interpreter's own shutdown. During that shutdown temporalio's runtime
    sometimes aborts the process (sdk-python#300).
    """
    with contextlib.suppress(BrokenPipeError):  # `starter.py list | head`
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
