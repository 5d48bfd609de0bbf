"""`starter.py doctor`."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg

from cli.arguments import Switch
from cli.checks import github, postgres, services, temporal, work
from cli.checks.finding import Finding, Report, bad_setting, exit_code, failure, trouble
from cli.connections import open_database
from cli.console import console
from cli.screens.doctor import report
from errors import BackfillError, BadInput
from store import health


async def doctor(*, json: Switch = False) -> int:
    """Check everything that a backfill needs; print what is wrong, and what to do about it. Changes nothing.

    Exit codes: 0 no check failed; 1 a check failed; 2 a setting is missing or unreadable; 3 a server did not answer,
    and no check passed.

    Parameters
    ----------
    json
        Print the findings as JSON.
    """
    groups = await asyncio.gather(
        _all("Postgres", postgres.examine()),
        _all("Temporal", temporal.examine()),
        _github_and_work(),
        _all("OpenAI", services.openai()),
        _all("Polar", services.polar()),
        _all("e-mail", services.mail()),
    )
    findings = [each for group in groups for each in group]
    code = exit_code(findings)
    if json:
        print(Report(exit_code=code, findings=findings).model_dump_json(indent=2))
    else:
        output = console()
        for line in report(findings):
            output.print(line)
    return code


async def _all(check: str, found: AsyncIterator[Finding]) -> list[Finding]:
    """Returns the findings of one group of checks. If a check finds a setting that cannot be read, the group ends with
    a finding on that setting.
    """
    findings: list[Finding] = []
    try:
        async for each in found:
            findings.append(each)
    except BadInput as error:
        findings.append(bad_setting(check, error))
    return findings


async def _github_and_work() -> list[Finding]:
    """Returns the findings on GitHub, then the findings on the stored work. If Postgres cannot be read, a finding says
    so.
    """
    private, findings = 0, []
    try:
        async with open_database() as database:
            async with database.transaction() as connection:
                its = await health.work(connection)
            private = its.private_repositories
            findings = await _all("jobs", work.examine(database, its))
    except BackfillError as error:
        findings = [trouble("jobs", error)]
    except asyncpg.PostgresError as error:
        findings = [failure("jobs", f"cannot be read: {error}", "run starter.py migrate")]
    return [*await _all("GitHub", github.examine(private)), *findings]
