"""Confirms deletions: asks GitHub, by id, whether absent children still exist. A child is absent if it is stored, and a
whole reading did not show it.

docs/decisions/0013-deletions.md has the rules.
"""

from datetime import datetime, timedelta

import structlog

from activities.threads.look_ahead import LookAhead
from activities.threads.position import ThreadPosition
from activities.turn import Turn
from errors import RetryLater
from github.client import GitHub
from github.threads.existence import MOST, read_existence
from rows import Part
from store import absences
from store.absences import Answered, Confirmation
from store.database import Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)


class Deletions:
    """Confirms, before the sweep's last turn, that absent children were deleted. Each account that read the type asks
    GitHub once about each absent child, because GitHub may hide a child from only one account.
    """

    def __init__(
        self, database: Database, github: GitHub, sweep: Sweep, look_ahead: LookAhead, apart: timedelta
    ) -> None:
        self._database = database
        self._github = github
        self._sweep = sweep
        self._look_ahead = look_ahead
        self._apart = apart

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        """Returns the next turn about absent children. Returns None if this job has nothing left to ask.

        Each account that read the type asks GitHub for the children by their node ids. GitHub cannot be asked for a
        child without a node id. The thread of such a child is read again. If only one account reads the type, the
        child's deletion is confirmed once two whole readings did not show the child.
        """
        assert position.as_of is not None, "what is verified is as of a moment"
        async with self._database.transaction() as connection:
            if not await absences.are_any(connection, self._sweep):
                return None
            readers = await absences.readers(connection, self._sweep)
            twice = await absences.missed_twice(connection, self._sweep, self._apart) if len(readers) <= 1 else []
            again = await absences.to_read_again(connection, self._sweep, position.as_of, self._apart)
        if twice:
            # Nobody can be asked for these: two whole readings are GitHub's word.
            turn = Turn(position)
            turn.confirmation = Confirmation("", [Answered(child, gone=True) for child in twice], position.as_of)
            return turn
        if again:
            threads = dict(again.values())
            put = [Part("thread", node_id, number, position.as_of) for node_id, number in sorted(threads.items())]
            return Turn(position, put=put, queued_absences=sorted(again))
        available = await self._github.accounts()
        accounts = [each for each in readers if each in available] or available[:1]
        for account in accounts:
            try:
                told = await self._ask(position, account, position.as_of - self._apart)
            except RetryLater as error:
                if len(accounts) == 1:
                    raise
                log.info("an account is asked by the next job", account=account, until=error.at.isoformat())
                continue
            if told is not None:
                return told
        return None

    async def _ask(self, position: ThreadPosition, account: str, many_since: datetime) -> Turn[ThreadPosition] | None:
        """Asks GitHub for absent children as `account`, and returns the turn with the answer. `account` asks for each
        child at most once in a job. Returns None if no child is left to ask for. If GitHub still has a child, the
        child's thread is read again.

        If many children went missing at once, `account` asks only for those that went missing at or before
        `many_since`.
        """
        async with self._database.transaction() as connection:
            asked = await absences.to_ask(connection, self._sweep, account, many_since, limit=MOST)
        if not asked:
            return None
        github = self._github.on_behalf_of(self._sweep.repository.full_name, self._sweep, account)
        told = await self._look_ahead.send(lambda: read_existence(github, list(asked.values())))
        answers = [
            Answered(child, gone=node_id in told.gone, found=node_id in told.found) for child, node_id in asked.items()
        ]
        turn = Turn(position, points=told.cost)
        turn.confirmation = Confirmation(account, answers, told.asked_at)
        found = [each.child for each in answers if each.found]
        if found:
            log.warning("a list left out what GitHub has by id", number=len(found), account=account)
            async with self._database.transaction() as connection:
                threads = await absences.threads_of(connection, self._sweep, found)
            turn.put = [Part("thread", node_id, number, told.asked_at) for node_id, number in sorted(threads.items())]
        return turn
