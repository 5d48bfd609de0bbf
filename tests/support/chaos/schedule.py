"""Decides which fault strikes and when, by a seed alone."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, get_args

Kind = Literal[
    "kill",
    "terminate",
    "freeze",
    "wrong clock",
    "webhook killed",
    "cut",
    "delayed",
    "halved",
    "truncated",
    "silent",
    "refused",
    "vanished",
    "postgres restarted",
    "postgres crashed",
    "postgres full",
    "postgres locked",
    "postgres without disk",
    "postgres hung up",
    "pooler restarted",
    "temporal restarted",
    "temporal killed",
    "github fault",
    "github oddity",
    "github away",
    "embeddings fault",
    "pause",
    "retry",
    "cancel",
    "buy",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
PAIRS = ("worker-github", "worker-postgres", "worker-temporal", "webhook-postgres", "webhook-temporal")
CONNECTIONS: tuple[Kind, ...] = ("cut", "delayed", "halved", "truncated", "silent", "refused", "vanished")
WORKERS = ("worker-1", "worker-2")
GITHUB_FAULTS = (
    *("BadGateway", "GatewayTimeout", "SomethingWentWrong", "ServerError", "Reset", "Truncated", "Hang", "Latency"),
    *("SecondaryLimit", "BadCredentials"),
)
GITHUB_ODDITIES = ("Babble", "OddTenth")
EMBEDDINGS_FAULTS = ("429", "500", "503")
OUTAGES = ("502", "refused", "reset", "hangs", "endless")
TARGETS: dict[Kind, tuple[str, ...]] = {
    **dict.fromkeys(("kill", "terminate", "freeze", "wrong clock"), WORKERS),
    **dict.fromkeys(CONNECTIONS, PAIRS),
    "github fault": GITHUB_FAULTS,
    "github oddity": GITHUB_ODDITIES,
    "github away": OUTAGES,
    "embeddings fault": EMBEDDINGS_FAULTS,
}
"""What of its kind a fault strikes; a kind that is not here has but one target."""
SECONDS: dict[Kind, tuple[float, float]] = {
    "freeze": (8, 14),
    "wrong clock": (10, 20),
    "delayed": (2, 6),
    "halved": (1, 3),
    "truncated": (1, 3),
    "silent": (2, 12),
    "refused": (1, 5),
    "postgres full": (2, 8),
    "postgres locked": (2, 8),
    "postgres without disk": (2, 8),
    "postgres restarted": (0, 3),
    "temporal restarted": (0, 5),
    "temporal killed": (0, 5),
    "github fault": (2, 6),
    "github oddity": (5, 15),
    "github away": (3, 10),
    "embeddings fault": (2, 6),
    "pause": (2, 8),
}
"""How long a fault lasts, at least and at most; a kind that is not here is over at once."""


@dataclass(frozen=True)
class Strike:
    """One fault: `at` seconds after the beginning, for `seconds`. `dice` decides everything else about it."""

    at: float
    kind: Kind
    target: str
    seconds: float
    dice: int

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.target}".rstrip() + lasting


def schedule(seed: int, seconds: float, kinds: Collection[Kind] = KINDS, every: float = 4) -> list[Strike]:
    """Returns the faults of a run of `seconds`, in order of time; on average there is one every `every` seconds. It is
    a pure function.

    Kinds of faults, and their targets, are dealt like cards: each comes once before any comes again.
    """
    random = Random(f"chaos {seed}")
    dealt = _dealt(random, [kind for kind in KINDS if kind in kinds])
    targets = {kind: _dealt(random, list(of)) for kind, of in TARGETS.items()}
    strikes: list[Strike] = []
    at = random.uniform(0, 2 * every)
    while at < seconds:
        kind = next(dealt)
        target = next(targets[kind]) if kind in targets else ""
        lasting = random.uniform(*SECONDS[kind]) if kind in SECONDS else 0
        strikes.append(Strike(round(at, 1), kind, target, round(lasting, 1), random.randrange(2**32)))
        at += random.uniform(0, 2 * every)
    return strikes


def _dealt(random: Random, cards: list[Any]) -> Iterator[Any]:
    while cards:
        hand = cards.copy()
        random.shuffle(hand)
        yield from hand
