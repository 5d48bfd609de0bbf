"""Defines readers and turns. A turn is one step of a sweep. The rows and the next position of a turn are committed
together.
"""

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
"""Allowed difference between GitHub's clock and its lists."""
FAST_SECONDS = 4.0
"""After a faster answer the next request may ask for more."""
SLOW_SECONDS = 8.0
"""After a slower answer the next request asks for less: beyond 10 s GitHub gives no answer, and charges for it."""

PositionT = TypeVar("PositionT", bound=Position)


@dataclass(frozen=True, slots=True)
class Sources:
    """The connections and settings that a worker's readers share."""

    database: Database
    github: GitHub
    embedder: "Embedder | None" = None
    """The embedding client; None if no key is set."""
    deletions_apart: timedelta = timedelta(minutes=10)
    """If many children went missing at once, they are deleted only if GitHub confirms it this much
    later (decision 13).
    """
    shutdown_seconds: float | None = None
    """The worker's `SHUTDOWN_SECONDS`; None: only Temporal tells when they are over."""


@dataclass(slots=True)
class Turn(Generic[PositionT]):
    """Everything that one turn commits in one transaction. A turn with an `outcome` is the sweep's last turn."""

    position: PositionT
    page: Page | None = None
    put: list[Part] = field(default_factory=list)
    """Parts to store: new ones, and those whose reading continues."""
    done: list[Part] = field(default_factory=list)
    failed: list[tuple[Part, str]] = field(default_factory=list)
    """Parts that GitHub does not serve, with the reason."""
    confirmation: Confirmation | None = None
    """GitHub's answer, by id, about stored children that a reading did not show."""
    queued_absences: list[str] = field(default_factory=list)
    """Absent children whose threads are in `put`. This job does not queue them again."""
    gone: list[str] = field(default_factory=list)
    """Node ids of threads, reviews and a discussion's comments that GitHub says do not exist (any more)."""
    noted: list[Note] = field(default_factory=list)
    """Notes on what GitHub does not show. The type completes without it."""
    resolved: list[tuple[str, str]] = field(default_factory=list)
    """(what, node id) of things that are whole now: their notes are deleted."""
    expected: int | None = None
    requests: int = 0
    points: int = 0
    waiting: WaitingFor | None = None
    """What the sweep waits for: more threads, the end of all threads, or the next leg."""
    outcome: Literal["completed", "failed", "skipped"] | None = None
    failure: Failure | None = None
    """For the outcomes `failed` and `skipped`: the reason."""
    proof: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    """With an outcome: what GitHub refused, in words."""
    coverage: Coverage | None = None
    """With `completed`, and at a leg's end: what later jobs need not fetch again."""


class Reader(Protocol[PositionT]):
    """Decides which requests a sweep of one data type sends."""

    positions: type[PositionT]
    """The class of this reader's positions."""

    async def begin_next_leg(self, position: PositionT) -> PositionT:
        """Returns the position at which the next leg begins. `position` is the position at the end of the last leg. If
        other jobs have covered more since then, the next leg resumes from their coverage.
        """
        ...

    async def turn(self, position: PositionT, *, threads_ended: bool) -> Turn[PositionT]:
        """Returns the turn that follows the committed `position`. Sends requests, but writes nothing. Raises errors of
        the taxonomy.

        `threads_ended` says whether all threads that this run fetches are stored.
        """
        ...

    def look_ahead(self, turn: Turn[PositionT]) -> None:
        """Sends the request of the next turn ahead, if that request is known already. GitHub then answers while `turn`
        is being committed. This method is called only if another turn follows.
        """
        ...

    @property
    def is_ahead(self) -> bool:
        """Whether a request was sent ahead and no turn has used the answer yet."""
        ...

    async def close(self) -> None:
        """Cancels every request in flight."""
        ...
