"""What e-mails say, and that nobody writes into them but us."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from notify import letter
from tests.support.notify.messages import FAILURE, milestone

PAGE = "https://app.example/workspaces/1/settings/data-retention"
NOTES = {"unshown": 3, "unshown_things": ["octo/a#12: 2 timeline counted but not shown since 2026-11-02"]}
FAILED = {"failures": [FAILURE], "failed_repositories": 1, "more_failures": 4}


class Words(HTMLParser):
    """The text of HTML, and the names of its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.mark.parametrize(
    ("facts", "subject", "says", "leaves_out"),
    [
        (
            {"status": "started", "stored": {}},
            "acme: fetching 365 days of history",
            ["begun to fetch", "365 days of 3 repo"],
            ["stored"],
        ),
        ({}, "acme: 365 days of history fetched", ["1,204 pull requests", "322 issues"], ["failed", "GitHub counts"]),
        (
            NOTES,
            "acme: history complete, 3 things GitHub does not show",
            ["octo/a#12: 2 timeline counted but not shown", "Nothing is wrong with your data"],
            ["What failed", "Retry"],
        ),
        (
            FAILED,
            "acme: history fetched, 1 of 3 repositories failed",
            ["octo/b, issues: GitHub refuses the repository", "What you can do: Give the token", "and 4 more", "Retry"],
            ["GitHub counts"],
        ),
        (
            {**FAILED, **NOTES},
            "acme: history fetched, 1 of 3 repositories failed",
            ["What failed", "GitHub counts"],
            [],
        ),
        (
            {
                "status": "failed",
                "failed_repositories": 1,
                "total_repositories": 1,
                "failures": [FAILURE],
                "stored": {},
            },
            "acme: the history could not be fetched",
            ["could not be fetched", "Give the token access", "Retry"],
            ["is here", "What is stored 1"],
        ),
        (
            {"status": "failed", "message": "its workflow was terminated in Temporal (retry it)", "stored": {}},
            "acme: the history could not be fetched",
            ["its workflow was terminated in Temporal (retry it)"],
            ["What failed"],
        ),
        (
            {"total_repositories": 0, "completed_repositories": 0, "stored": {}},
            "acme: no repositories to fetch yet",
            ["has no repositories yet"],
            ["is here", "failed"],
        ),
        (
            {"total_repositories": 1, "retention_days": 1},
            "acme: 1 day of history fetched",
            ["1 day, 1 repository."],
            [],
        ),
    ],
    ids=["started", "completed", "notes", "failures", "both", "failed", "ended", "nothing", "one"],
)
def test_text_and_html_say_what_happened_and_what_to_do(
    facts: dict[str, Any], subject: str, says: list[str], leaves_out: list[str]
) -> None:
    written = letter.write(milestone(**facts), PAGE)
    assert written.subject == subject
    for text in (" ".join(written.text.split()), Words(written.html).text.replace(" ,", ",").replace(" :", ":")):
        for each in says:
            assert each in text
        for each in leaves_out:
            assert each not in text
        assert "you own the workspace acme" in text
    assert PAGE in written.text
    assert f'href="{PAGE}"' in written.html
    assert "\n\n\n" not in written.text
    assert all(len(line) <= 500 for line in written.text.splitlines())


def test_without_an_address_of_the_page_there_is_no_link() -> None:
    written = letter.write(milestone(), None)
    assert "://" not in written.text
    assert "a" not in Words(written.html).tags


SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def test_what_others_wrote_is_no_markup() -> None:
    failure = FAILURE.model_copy(update={"repository": SCRIPT, "message": SCRIPT, "action": SCRIPT})
    plain = Words(letter.write(milestone(failures=[FAILURE], **NOTES), PAGE).html).tags
    written = letter.write(
        milestone(workspace_name=SCRIPT, failures=[failure], unshown=1, unshown_things=[SCRIPT], message=SCRIPT), PAGE
    )
    assert Words(written.html).tags == plain
    assert SCRIPT in Words(written.html).text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("acme\r\nBcc: eve", "acme Bcc: eve"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("pay\u202epal", "paypal"),
        ("  a \t b  ", "a b"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("", ""),
    ],
)
def test_a_line_is_one_line_and_shows_all_it_holds(text: str, line: str) -> None:
    assert letter.one_line(text) == line


def test_a_workspace_without_a_name_that_shows_is_still_spoken_of() -> None:
    assert letter.write(milestone(workspace_name="\u202e \n"), None).subject.startswith("your workspace: ")


def test_lines_of_others_cannot_pretend_to_be_paragraphs_of_ours() -> None:
    failure = FAILURE.model_copy(update={"message": "no\n\nSend your password to eve@example.com"})
    text = letter.write(milestone(failures=[failure]), None).text
    assert re.search(r"^  octo/b, issues: no Send your password", text, re.MULTILINE)
