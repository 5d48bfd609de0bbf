"""The program: runs the commands, and prints their errors."""

import asyncio
import inspect
import logging
import sys
from collections.abc import Sequence

import asyncpg
from cyclopts import App, CycloptsError

import logs
import settings
from cli.commands.archive import archive, archive_status
from cli.commands.cancel import cancel
from cli.commands.doctor import doctor
from cli.commands.listing import list_
from cli.commands.migrate import migrate
from cli.commands.pause import pause, resume
from cli.commands.reconcile import reconcile
from cli.commands.retry import retry
from cli.commands.search import search
from cli.commands.start import start
from cli.commands.status import status
from cli.commands.watch import watch
from cli.console import complain, one_line
from errors import BackfillError, BadInput, RetryNow, Unreachable
from release import VERSION

INTERRUPTED = 130

app = App(
    name="starter.py",
    help=(
        "Backfills of workspaces: start them, watch them, mend them.\n\n"
        "Settings, from the environment or a file .env: docs/settings.md.\n\n"
        "Exit codes: 0 done, 1 the job failed, was canceled or ended with failures, 2 bad input or a bad setting, "
        "3 a server cannot be reached."
    ),
    version=f"starter.py {VERSION}",
    version_flags=("--version",),
    result_action="return_value",
)
for command in (migrate, start, status, watch, retry, cancel, pause, resume, reconcile, doctor, search, archive):
    app.command(command)
app.command(list_, name="list")
app.command(archive_status, name="archive-status")


async def run(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code. An error is printed as one line on standard error."""
    try:
        logs.configure(settings.load(settings.Log).log_format)
        logging.getLogger().setLevel(logging.ERROR)  # what a command has to say it says itself
        return await _command(arguments)
    except CycloptsError as error:
        return complain(f"{one_line(error)} (see --help)", 2)
    except BadInput as error:
        return complain(error.message, 2)
    except BackfillError as error:
        return complain(error.message, 3 if isinstance(error, (Unreachable, RetryNow)) else 1)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        return complain(f"DATABASE_URL: {error}: the database is not of this release (starter.py migrate)", 2)
    except (asyncpg.PostgresError, asyncpg.InternalClientError) as error:
        return complain(f"Postgres does not do what is asked: {error}", 3)


async def _command(arguments: Sequence[str]) -> int:
    if not arguments:
        raise BadInput("COMMAND", f"missing: one of {', '.join(sorted(name for name in app if name[0] != '-'))}")
    command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    answer = command(*bound.args, **bound.kwargs)
    return (await answer if inspect.isawaitable(answer) else None) or 0


def main() -> int:
    """Runs the program; returns its exit code. Ctrl-C prints no error, because committed work continues."""
    try:
        return asyncio.run(run(sys.argv[1:]))
    except KeyboardInterrupt:
        return INTERRUPTED
