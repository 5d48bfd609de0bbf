"""The screen of `watch`, which shows one job. The screen fits the console even if the job has many repositories."""

from rich.console import Console, Group, RenderableType
from rich.text import Text

from cli import words
from cli.jobs import Look
from cli.rates import Rates
from cli.screens.repositories import repositories
from cli.screens.summary import summary, unshown_lines
from progress.sentences import count
from progress.views import JobView

UNSHOWN = 3
"""How many of the things that GitHub does not show are named, at most."""
LEAST_LINES = 4
"""Lines kept for repositories, however small the screen is."""


def screen(look: Look, rates: Rates, console: Console) -> RenderableType:
    """Returns the screen of `watch`. The screen fits the console, unless the console has no room for `LEAST_LINES`
    lines on repositories.
    """
    job, width = look.job, console.width
    above = [*summary(job, width, rates), Text()]
    below = [Text(), *_notes(job, width), _foot(look)]
    taken = sum(len(console.render_lines(each, pad=False)) for each in (*above, *below))
    room = max(console.height - taken, LEAST_LINES)
    return Group(*above, *repositories(job, width, room), *below)


def _notes(job: JobView, width: int) -> list[Text]:
    if not job.unshown:
        return []
    title = Text(f"{count(job.unshown, 'thing')} GitHub does not show", style="bold")
    return [
        title,
        *(Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in unshown_lines(job, UNSHOWN, width)),
        Text(),
    ]


def _foot(look: Look) -> Text:
    shown = words.clock(look.job.as_of, seconds=True)
    if look.away_since is not None:
        since = words.clock(look.away_since, seconds=True)
        return Text(f"Postgres does not answer since {since}, and is asked again; this is of {shown}", style="bold red")
    if look.job.ended:
        return Text(f"as of {shown}", style="dim")
    return Text(f"as of {shown}; Ctrl-C ends the watching, not the job", style="dim")
