"""What `watch` draws and writes of a job, on screens of every size."""

import io
import re
from datetime import timedelta

import pytest
from rich.console import Console

from cli import words
from cli.jobs import Look
from cli.rates import Rates
from cli.screens.lines import Lines
from cli.screens.live import screen
from cli.screens.status import note, report
from progress.views import JobView, TypeView
from tests.support.cli.views import ACTION, MESSAGE, NOW, job

THOUSAND = job(["failed"] * 9 + ["pending"] * 600 + ["running"] * 10 + ["waiting"] * 31 + ["completed"] * 350)
LONG = "an-organization-with-a-long-name/a-repository-with-an-even-longer-name-than-that"


def drawn(view: JobView, width: int, height: int, look: Look | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(screen(look or Look(view), Rates(), console))
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("height", [24, 40, 60])
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_thousand_repositories_stay_on_one_screen(width: int, height: int) -> None:
    lines = drawn(THOUSAND, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 200])
def test_failures_come_first_then_what_runs_then_what_waits_then_counts(width: int) -> None:
    lines = drawn(THOUSAND, width, 45)
    signs = [line[0] for line in lines if "octo/" in line]
    assert signs == sorted(signs, key="✗▸•".index)
    assert {"✗", "▸", "•"} == set(signs)
    [counts] = [line for line in lines if line.startswith("  and ")]
    left = {name: int(number) for number, name in re.findall(r"(\d+) (\w+)", counts)}
    assert left["pending"] == 600 and left["completed"] == 350
    shown = {name: signs.count(sign) for sign, name in (("✗", "failed"), ("▸", "running"), ("•", "waiting"))}
    assert {name: left.get(name, 0) + shown[name] for name in shown} == {"failed": 9, "running": 10, "waiting": 31}


def test_many_failures_leave_room_for_what_goes_on() -> None:
    lines = drawn(job(["failed"] * 500 + ["running"] * 5 + ["waiting"] * 5), 80, 40)
    assert [line for line in lines if line.startswith("▸ octo/")]
    assert [line for line in lines if line.startswith("• octo/")]


@pytest.mark.parametrize("width", [80, 200])
def test_a_failure_says_what_to_do(width: int) -> None:
    words_of = " ".join(" ".join(drawn(job(["running", "failed"]), width, 40)).split())
    assert "issues: forbidden: GitHub refuses it" in words_of
    assert f"→ {ACTION}" in words_of


@pytest.mark.parametrize("width", [80, 200])
def test_long_names_are_cut_in_the_middle(width: int) -> None:
    [line] = [line for line in drawn(job(["running"], [LONG]), width, 30) if line.startswith("▸ ")]
    name = line.split()[1]
    assert name.startswith("an-organ") and name.endswith("n-that") and "…" in name


def test_a_cut_name_is_as_long_as_there_is_room() -> None:
    assert [len(words.cut_middle(LONG, width)) for width in (10, 11, 40)] == [10, 11, 40]
    assert words.cut_middle("octo/a", 6) == "octo/a"


@pytest.mark.parametrize("width", [80, 200])
def test_bars_rates_and_the_time_left_are_there(width: int) -> None:
    view = job(["running", "completed"])
    rates = Rates()
    rates.add(view)
    repository = view.repositories[0]
    pulls = repository.types[0].model_dump() | {"stored": 70, "counts": {"pull_requests": 70, "reviews": 20}}
    later = JobView.model_validate(
        view.model_dump()
        | {
            "as_of": NOW + timedelta(seconds=10),
            "repositories": [
                repository.model_dump() | {"types": [pulls, *(each.model_dump() for each in repository.types[1:])]},
                view.repositories[1].model_dump(),
            ],
            "types": [view.types[0].model_dump() | {"stored": 270}, *(each.model_dump() for each in view.types[1:])],
        }
    )
    rates.add(later)
    assert (rates.rows, rates.of("pull_requests"), rates.of("issues")) == (4, 2, 0)
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(screen(Look(later), rates, console))
    lines = captured.get().splitlines()
    [pulls_line] = [line for line in lines if line.startswith("pull requests ")]
    assert "━" in pulls_line and "62 %" in pulls_line and "270 of 400" in pulls_line and "2.0/s" in pulls_line
    [over_all] = [line for line in lines if line.startswith("all ")]
    assert "━" in over_all and "4.0" in over_all and "1 of 2" in over_all
    [events] = [line for line in lines if line.startswith("events ")]
    assert "━" not in events and "%" not in events, "nobody counts events beforehand"
    assert any("22 to 32 min left. One wait for GitHub's budget until " in line for line in lines)


def test_what_still_runs_is_not_at_100_percent() -> None:
    view = job(["running"])
    repository = view.repositories[0].model_dump()
    repository["types"][0]["stored"] = repository["types"][0]["expected"]
    [line] = [
        line
        for line in drawn(JobView.model_validate(view.model_dump() | {"repositories": [repository]}), 80, 30)
        if line.startswith("▸ octo/")
    ]
    assert "▸ 99 %" in line


def test_a_new_attempt_has_rates_of_its_own() -> None:
    rates = Rates()
    rates.add(job(["running"]))
    rates.add(job(["completed"], attempt=1, as_of=NOW + timedelta(seconds=10)))
    assert (rates.rows, rates.of("issues")) == (0, 0)


def test_while_postgres_is_away_the_screen_says_so_and_how_old_it_is() -> None:
    view = job(["running"])
    lines = drawn(view, 80, 30, Look(view, away_since=NOW + timedelta(seconds=3)))
    clock = [words.clock(NOW + timedelta(seconds=seconds), seconds=True) for seconds in (0, 3)]
    assert lines[-1].startswith(f"Postgres does not answer since {clock[1]}")
    assert f"this is of {clock[0]}" in " ".join(lines[-2:])


@pytest.mark.parametrize("width", [60, 80, 120, 160, 240])
def test_status_fits_into_every_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        for part in report(job(["failed", "running", "waiting"], [LONG]), width):
            console.print(part)
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    flat = " ".join(captured.get().split())
    assert "GitHub refuses it to every token" in flat


def test_what_was_skipped_says_what_a_person_can_do_about_it() -> None:
    view = job(["failed"])
    repository = view.repositories[0]
    failed = next(each for each in repository.types if each.error)
    skipped = TypeView.model_validate(failed.model_dump() | {"status": "skipped"})
    assert note(repository, skipped) == f"forbidden: {MESSAGE} ({ACTION})"


class TestLines:
    """Where nothing can be drawn."""

    def test_what_changes_is_a_line_and_what_only_grows_is_not(self) -> None:
        lines = Lines()
        first = list(lines.of(Look(job(["running", "pending"]))))
        assert [line.partition(" ")[2].partition(":")[0] for line in first] == ["fetching"]
        grown = job(["running", "pending"], as_of=NOW + timedelta(seconds=1))
        assert list(lines.of(Look(grown))) == []
        told = list(lines.of(Look(job(["failed", "waiting"], as_of=NOW + timedelta(seconds=2)))))
        issues = next(line for line in told if "repository-0 issues: failed" in line)
        assert issues.endswith(f"→ {ACTION}")
        assert any("octo/repository-1: waiting for GitHub until " in line for line in told)
        assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in told)
        gone_on = list(lines.of(Look(job(["failed", "running"], as_of=NOW + timedelta(seconds=3)))))
        assert [line.partition(" ")[2] for line in gone_on if "repository-1" in line] == ["octo/repository-1: goes on"]

    def test_a_job_that_goes_on_is_told_of_now_and_then(self) -> None:
        lines = Lines()
        list(lines.of(Look(job(["running"]))))
        assert list(lines.of(Look(job(["running"], as_of=NOW + timedelta(seconds=29))))) == []
        [line] = lines.of(Look(job(["running"], as_of=NOW + timedelta(seconds=31))))
        assert "22 to 32 min left" in line

    def test_an_absence_of_postgres_is_two_lines(self) -> None:
        lines, view = Lines(), job(["running"])
        list(lines.of(Look(view)))
        away = Look(view, away_since=NOW)
        assert [len(list(lines.of(away))) for _ in range(3)] == [1, 0, 0]
        [back] = lines.of(Look(view))
        assert back.endswith("Postgres answers again")


@pytest.mark.parametrize("width", [80, 200])
def test_types_have_the_names_that_customers_read(width: int) -> None:
    view = job(["running", "failed"])
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(*report(view, width))
    shown = "\n".join([*drawn(view, width, 40), *Lines().of(Look(view)), captured.get()])
    assert "search index" in shown and "pull requests" in shown
    assert not re.search(r"embeddings|pull_requests", shown)


@pytest.mark.parametrize(
    ("width", "what"), [(80, "stored; being checked"), (200, "all stored; comments and checks follow")]
)
def test_a_type_of_which_all_is_stored_says_what_follows(width: int, what: str) -> None:
    view = job(["running"])
    issues = view.types[1].model_copy(update={"status": "in_progress", "stored": 633, "expected": 633, "percent": 99.9})
    whole = view.model_copy(update={"types": [view.types[0], issues, *view.types[2:]]})
    [line] = [each for each in drawn(whole, width, 40) if each.startswith("issues ")]
    assert line.split("  ")[0] == "issues" and "99 %" in line and "633 of 633" in line and line.endswith(what)
