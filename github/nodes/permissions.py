"""Leaves fields out of queries for accounts that lack a permission or a scope.

A field may need a permission that the account lacks. GitHub then hides every thread for which the field is requested,
because the field cannot be null (palantir/policy-bot#42). After the first refusal, the account's queries for this
repository leave the field out.
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
    """Returns the name of the refused field at the end of `path`, if queries can leave the field out. Queries can leave
    out certain fields (`FIELDS`) of threads and timeline items. Returns None for any other path.
    """
    last, above = path[-1:], path[-2:-1]
    of_a_node = any(isinstance(step, int) for step in above) or (len(path) == 2 and str(path[0]).startswith("n"))
    return str(last[0]) if last and last[0] in FIELDS and of_a_node else None


def without(document: DocumentNode, names: frozenset[str]) -> DocumentNode:
    """Returns the document without the fields `names`. If `names` contains `TEAMS`, only the type of each Team is
    requested, and no other field of it.
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
    """Returns notes on the data that the pull requests of an answer lack, one note for each missing permission.

    `left_out` has the fields that were not requested, each with GitHub's message from an earlier refusal. `unmarked`
    maps paths in this answer to GitHub's messages. At each of these paths, GitHub refused a field, and the field is
    null.
    """
    found = {what: words for what, words in left_out.items() if what != TEAMS}
    refused = [words for path, words in unmarked.items() if path[-1:] == (_REVIEWER,)]
    if refused:
        found[REQUESTED_REVIEWERS] = refused[-1]
    return [Note("refused", what, None, "", 1, words) for what, words in found.items()]


def lacks_permissions(page: Page) -> set[str]:
    """Returns the names of the data that this page of pull requests lacks because of missing permissions. `notes` uses
    the same names.
    """
    lacks = {note.what for note in page.hidden if note.number is None}
    if any(event.payload.get("requested_reviewer") == HIDDEN_TEAM for event in page.events):
        lacks.add(REQUESTED_REVIEWERS)
    return lacks


class Withheld:
    """The fields that GitHub refused to each account. For `REMEMBERED` seconds after the refusal, requests of the
    account leave these fields out.
    """

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], dict[str, tuple[str, float]]] = {}

    def add(self, account: str, repository: str, words: Mapping[str, str]) -> None:
        """Records that GitHub refused fields to the account. `words` maps each field to GitHub's message; the key
        `TEAMS` stands for all fields of teams. An empty `repository` means every repository.
        """
        until = monotonic() + REMEMBERED
        known = self._words.setdefault((account, repository), {})
        known.update({what: (said, until) for what, said in words.items()})

    def of(self, account: str, repository: str) -> dict[str, str]:
        """Returns the fields that the account's requests leave out, with GitHub's messages."""
        known = self._words.get((account, ""), {}) | self._words.get((account, repository), {})
        now = monotonic()
        return {what: words for what, (words, until) in known.items() if until > now}
