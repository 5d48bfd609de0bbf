"""A fault that hides items from some accounts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.github.exchange.requests import Request
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
