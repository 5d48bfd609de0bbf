"""Shows the results of peers and of this system side by side, for people and as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.aims import Aim
from bench.census import Share
from bench.peers.measure import OURS, Measured
from bench.report import aims_table, machine, megabytes

TIMES_THE_BEST = 20
COMPARED = ("pull_requests", "paced")
"""The cases in which this system has to be `TIMES_THE_BEST` as good as the best peer."""
NOUNS = ("pull_requests", "issues", "reviews", "review_comments", "comments", "timeline_events")
TITLES = {
    "pull_requests": "Pull requests with all that hangs on them, of a GitHub that answers at once",
    "paced": "The same, of one that takes GitHub's time",
    "issues": "Issues with all that hangs on them, of a GitHub that answers at once",
    "small": "Pull requests and issues of many small repositories, of a GitHub that answers at once",
}
CAPTION = "by 5,000 points and 5,000 REST requests; peers are answered faster than by GitHub: seconds are as if not"


def judged(found: Sequence[Measured]) -> list[Aim]:
    """Returns the aims for these results. If no peer could be measured, this system is compared with itself."""
    aims = [
        Aim(f"{name}: peers that were not measured", sum(bool(each.error) for each in peers), 0, binding=True)
        for name, peers in _by_case(each for each in found if each.tool != OURS)
    ]
    for name, measured in _by_case(found):
        peers = [each for each in measured if each.tool != OURS and not each.error]
        for own in (each for each in measured if each.tool == OURS):
            aims.append(Aim(f"{name}: this system is incomplete", not own.complete, 0, binding=True))
            if peers and name in COMPARED:
                best = max(each.per_token_and_hour for each in peers)
                times = 0 if own.error else own.per_token_and_hour / best if best else float("inf")
                what = f"{name}: complete pull requests per token and hour, times the best peer's"
                aims.append(Aim(what, times, TIMES_THE_BEST, at_least=True, binding=True))
    return aims


def tables(found: Sequence[Measured], aims: Sequence[Aim]) -> RenderableType:
    shown: list[RenderableType] = []
    for name, measured in _by_case(found):
        shown += [
            _costs(name, measured),
            *(Text(f"{each.tool}: {each.error}", "red") for each in measured if each.error),
            "",
        ]
    return Group(*shown, aims_table(aims))


def _by_case(found: Any) -> list[tuple[str, list[Measured]]]:
    return [(name, list(measured)) for name, measured in groupby(found, key=lambda each: each.case.name)]


def _costs(name: str, found: Sequence[Measured]) -> Table:
    table = Table(title=TITLES[name], caption=CAPTION, title_justify="left", caption_justify="left")
    table.add_column("")
    for each in found:
        table.add_column(each.tool, justify="right")
    rows: list[tuple[str, Callable[[Measured], str]]] = [
        ("requests", lambda each: f"{each.cost.requests:,}"),
        ("points", lambda each: f"{each.cost.points:,}"),
        ("REST requests", lambda each: f"{each.cost.rest:,}"),
        ("threads per token and hour", lambda each: f"{each.per_token_and_hour:,.0f}"),
        ("seconds", lambda each: f"{each.seconds:,.0f}"),
        ("peak memory, MB", lambda each: megabytes(each.peak_bytes)),
    ]
    if any(each.case.pace for each in found):
        rows[4:4] = [
            ("GitHub's response seconds", lambda each: f"{each.cost.response_seconds:,.0f}"),
            ("threads per hour, by 3,600 of them, too", lambda each: f"{each.per_hour:,.0f}"),
        ]
    for what, shown in rows:
        table.add_row(what, *("not measured" if _unknown(each) else shown(each) for each in found))
    table.add_section()
    for noun in (noun for noun in NOUNS if any(noun in each.shares for each in found)):
        table.add_row(noun.replace("_", " "), *(_share(each.shares.get(noun)) for each in found))
    table.add_row("rows without their key", *(f"{each.without_key:,}" for each in found))
    table.add_row("complete", *("[green]yes[/]" if each.complete else "[red]no[/]" for each in found))
    return table


def _unknown(each: Measured) -> bool:
    return bool(each.error) and not each.shares


def _share(share: Share | None) -> str:
    if share is None:
        return "-"
    return f"{share.found:,}" if share.whole else f"[red]{share.found:,} of {share.there:,}[/]"


def document(found: Sequence[Measured], aims: Sequence[Aim]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "measured": [
            asdict(each)
            | {
                "complete": each.complete,
                "per_token_and_hour": each.per_token_and_hour,
                "per_hour": each.per_hour,
            }
            for each in found
        ],
        "aims": [asdict(aim) | {"met": aim.met} for aim in aims],
    }
