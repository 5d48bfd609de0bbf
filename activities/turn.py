"""What one turn of the loop brings: one request's rows and the place after it, to be committed together."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from activities.position import Position
from messages import Failure
from rows import Page, Part, ThreadKind


@dataclass(slots=True)
class Turn:
    """To commit in one transaction. With an `outcome` it is the sweep's last."""

    position: Position
    page: Page | None = None
    put: list[Part] = field(default_factory=list)
    """Parts found, or moved on."""
    done: list[Part] = field(default_factory=list)
    failed: list[tuple[Part, str]] = field(default_factory=list)
    """Parts that cannot be had, with the reason."""
    gone: list[str] = field(default_factory=list)
    """Node ids of threads that GitHub says it does not have (any more)."""
    expected: int | None = None
    requests: int = 0
    points: int = 0
    outcome: Literal["completed", "failed"] | None = None
    failure: Failure | None = None
    proof: dict[str, Any] | None = None


class Reader(Protocol):
    """One data type's way through GitHub. `turn` sends requests and writes nothing."""

    @property
    def kind(self) -> ThreadKind: ...

    async def turn(self, position: Position) -> Turn:
        """The next turn after `position`, which is committed. Raises the classes of the taxonomy."""
        ...
