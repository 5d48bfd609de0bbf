"""The output of `doctor`: a line for each finding, with advice below it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.checks.finding import Finding, State
from progress.sentences import count

STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}
SIGNS = {"ok": "✓", "warning": "!", "failure": "✗"}
WORST: tuple[State, ...] = ("failure", "warning")


def report(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """Yields a table with a row for each finding, in the given order, and then a line with the numbers of failures and
    warnings.
    """
    table = Table.grid(padding=(0, 1))
    table.add_column(width=9, no_wrap=True)
    table.add_column(overflow="fold")
    for each in findings:
        style = STYLES[each.state]
        said = Text(f"{each.check}: ", style="bold")
        said.append(each.what, style="default not bold" if each.state == "ok" else style)
        if each.to_do:
            said.append(f"\n→ {each.to_do}", style="default not bold")
        table.add_row(Text(f"{SIGNS[each.state]} {each.state}", style=style), said)
    yield table
    numbers = Counter(each.state for each in findings)
    words = [count(numbers[state], state) for state in WORST if numbers[state]]
    style = STYLES["failure" if numbers["failure"] else "warning" if numbers["warning"] else "ok"]
    yield Padding(Text(", ".join(words) or "all is well", style=style), (1, 0, 0, 0))
