"""Leaves fields out of queries for accounts that lack a permission or a scope.

An account may lack the permission that a field needs. GitHub then hides every thread that is requested with the field,
because the field cannot be null. After the first refusal, queries of this account for this repository leave the field
out (palantir/policy-bot#42).
"""

from collections.abc import Mapping
from time import monotonic

from graphql import DocumentNode, FieldNode, InlineFragmentNode, Visitor, visit
from graphql.language.visitor import IDLE, REMOVE

from github.nodes.nulls import Path
from rows import Note, Page

TEAMS = "teams"
"""Stands for the fields of a Team: a token needs the scope read:org for them, an App the permission Members: read."""
FIELDS: Mapping[str, str] = {
    "commits": "Contents: read",
    "deployment": "Deployments: read",
}
"""Field -> the repository permission that it needs. Mappers treat a missing field as unknown."""
REMEMBERED = 3_600.0
"""Seconds for which a permission counts as missing. Then the field is requested again: it may have been granted."""
REQUESTED_REVIEWERS = "requested_reviewers"
NOTED = (*FIELDS, REQUESTED_REVIEWERS)
"""What a note on a missing permission may name."""
_REVIEWER = "requestedReviewer"
HIDDEN_TEAM = "team"
"""Stands in events in place of a team if the fields of teams were left out."""


def field_of(path: Path) -> str | None:
    """Returns the name of the refused field that `path` ends with, if queries can leave it out: a field of a thread
    or of a timeline item. Else None.
    """
    last, above = path[-1:], path[-2:-1]
    of_a_node = any(isinstance(step, int) for step in above) or (len(path) == 2 and str(path[0]).startswith("n"))
    return str(last[0]) if last and last[0] in FIELDS and of_a_node else None


def without(document: DocumentNode, names: frozenset[str]) -> DocumentNode:
    """Returns the document without the fields `names`. With `TEAMS` among them, only the type of a Team is
    requested.
    """
    if not names:
        return document

    class Drop(Visitor):
        def enter_inline_fragment(self, node: InlineFragmentNode, *_: object) -> object:
            of_a_team = node.type_condition is not None and node.type_condition.name.value == "Team"
            return REMOVE if of_a_team and TEAMS in names else IDLE

        def enter_field(self, node: FieldNode, *_: object) -> object:
            return REMOVE if node.name.value in names & FIELDS.keys() else IDLE

    stripped = visit(document, Drop())
    if not isinstance(stripped, DocumentNode):
        raise TypeError("a document without some fields is still a document")
    return stripped


def notes(left_out: Mapping[str, str], unmarked: Mapping[Path, str]) -> list[Note]:
    """Returns notes on what the pull requests of an answer lack, one for each missing permission.

    `left_out` maps the name of each field that the query did not request to the message with which GitHub refused the
    field earlier. `unmarked` holds the refusals of this answer: GitHub's messages, by the path in the answer at which a
    null stands in place of a field.
    """
    found = {what: words for what, words in left_out.items() if what != TEAMS}
    refused = [words for path, words in unmarked.items() if path[-1:] == (_REVIEWER,)]
    if refused:
        found[REQUESTED_REVIEWERS] = refused[-1]
    return [Note("refused", what, None, "", 1, words) for what, words in found.items()]


def lacks_permissions(page: Page) -> set[str]:
    """Returns what this page of pull requests lacks because of missing permissions, under the names that
    `notes` uses.
    """
    lacks = {note.what for note in page.hidden if note.number is None}
    if any(event.payload.get("requested_reviewer") == HIDDEN_TEAM for event in page.events):
        lacks.add(REQUESTED_REVIEWERS)
    return lacks


class Withheld:
    """The fields that GitHub refused to each account. Requests of that account leave them out for `REMEMBERED`
    seconds.
    """

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], dict[str, tuple[str, float]]] = {}

    def add(self, account: str, repository: str, words: Mapping[str, str]) -> None:
        """Records that GitHub refused fields to the account. `words` holds GitHub's message by field; under `TEAMS`
        for the fields of teams. An empty `repository` means every repository.
        """
        until = monotonic() + REMEMBERED
        known = self._words.setdefault((account, repository), {})
        known.update({what: (said, until) for what, said in words.items()})

    def of(self, account: str, repository: str) -> dict[str, str]:
        """Returns the fields that the account's requests leave out, with GitHub's messages."""
        known = self._words.get((account, ""), {}) | self._words.get((account, repository), {})
        now = monotonic()
        return {what: words for what, (words, until) in known.items() if until > now}
