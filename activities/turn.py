"""What one turn of the loop brings: one request's rows and the place after it, to be committed together."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from activities.position import Position
from github.client import GitHub
from messages import Failure, WaitingFor
from rows import Note, Page, Part
from store.absences import Confirmation
from store.coverage import Coverage
from store.database import Database

if TYPE_CHECKING:
    # Its package takes half a second to import: only who has a key does.
    from embedding.client import Embedder

CLOCK_SLACK = timedelta(minutes=5)
"""Between what GitHub's clock says and what its lists show."""
FAST_SECONDS = 4.0
"""An answer under it lets the next request ask for more."""
SLOW_SECONDS = 8.0
"""An answer over it makes the next request ask for less: over 10 s GitHub gives none, and charges for it."""

PositionT = TypeVar("PositionT", bound=Position)


@dataclass(frozen=True, slots=True)
class Sources:
    """The worker's connections to everything that is read or written."""

    database: Database
    github: GitHub
    embedder: "Embedder | None" = None
    """None: there is no key."""
    deletions_apart: timedelta = timedelta(minutes=10)
    """Many children that went at once are deleted by what GitHub says so much later (decision 13)."""


@dataclass(slots=True)
class Turn(Generic[PositionT]):
    """To commit in one transaction. With an `outcome` it is the sweep's last."""

    position: PositionT
    page: Page | None = None
    put: list[Part] = field(default_factory=list)
    """Parts found, or moved on."""
    done: list[Part] = field(default_factory=list)
    failed: list[tuple[Part, str]] = field(default_factory=list)
    """Parts that GitHub does not give, with the reason."""
    confirmation: Confirmation | None = None
    """What GitHub says by id of stored children that a reading did not show."""
    put_off: list[str] = field(default_factory=list)
    """Absent children that are not looked at again by this job, because their threads are read again."""
    gone: list[str] = field(default_factory=list)
    """Node ids of threads that GitHub says it does not have (any more)."""
    noted: list[Note] = field(default_factory=list)
    """What GitHub will not give for good. The type completes without it."""
    resolved: list[tuple[str, str]] = field(default_factory=list)
    """(what, node id) of what is whole now: its note is deleted."""
    expected: int | None = None
    requests: int = 0
    points: int = 0
    waiting: WaitingFor | None = None
    """Nothing is left to do until more threads are stored, or until all are, or in this leg."""
    outcome: Literal["completed", "failed", "skipped"] | None = None
    failure: Failure | None = None
    """With `failed`, and with `skipped`: why."""
    proof: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    """With an outcome: what GitHub refuses of it."""
    coverage: Coverage | None = None
    """With `completed`, and at a leg's end: what need not be fetched again."""


class Reader(Protocol[PositionT]):
    """One data type's way through its sources."""

    positions: type[PositionT]
    """What this reader's resume points are made of."""

    async def begin_next_leg(self, position: PositionT) -> PositionT:
        """Where to go on after a leg's end: there, or behind what others have covered since."""
        ...

    async def turn(self, position: PositionT, *, threads_ended: bool) -> Turn[PositionT]:
        """The next turn after `position`, which is committed. Sends requests and writes nothing.

        `threads_ended`: whether all threads of the repository that this run fetches are stored. Raises the classes of
        the taxonomy.
        """
        ...

    def look_ahead(self, turn: Turn[PositionT]) -> None:
        """Sends the request after this turn's, if it is known already, so that it is under way while the turn is
        committed. The next turn will be asked for."""
        ...

    @property
    def is_ahead(self) -> bool:
        """Whether a request is under way, or answered, that no turn has brought yet: it is paid for."""
        ...

    async def close(self) -> None:
        """Whatever is still under way is given up."""
        ...
