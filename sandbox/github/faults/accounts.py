"""Faults of what GitHub shows to whom, and under which ids."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from multidict import CIMultiDict

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults.effect import Effect


@dataclass
class Poorer(Effect):
    """Lists contain and count only the items for which `sees` returns True. If the fault is switched on for one
    `account`, that account sees fewer children and smaller counts than other accounts
    (0xB10C/github-metadata-backup#1).
    """

    sees: Callable[[Any], bool]
    selects: ClassVar[bool] = True

    def selected(self, _request: Request, thing: Any) -> bool:
        return self.sees(thing)


class OldNodeIds(Effect):
    """Answers with node ids in the older format, as a server does that does not know the header for the new one."""

    def instead(self, request: Request, _budget: Budget) -> Reply | None:
        request.headers = CIMultiDict(request.headers)
        request.headers.popall("X-Github-Next-Global-ID", None)
        return None
