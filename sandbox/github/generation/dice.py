"""Random choices of people, times, ids and words. They are always the same for the same plan."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

from sandbox.github.generation.plan import Plan
from sandbox.github.world.accounts import Account
from sandbox.github.world.chance import spread
from sandbox.github.world.clock import Stamp, after, moment
from sandbox.github.world.ground import Ground
from sandbox.github.world.threads import Thread

TEXT = r"""
the a of to in sweep page cursor budget lease worker token retry merge branch review thread label commit parser cache
index query schema timeout socket buffer stream queue lock batch event clock release fixes breaks moves adds drops when
because after before without slowly twice never only again naïve café 日本語 😀 🚀 🏳️‍🌈 <b>bold</b> `code` **strong**
@somebody \backslash "quoted" it's 100% null
"""
WORDS = [*TEXT.split(), "line\nbreak", "\ttab"]
BOTS = ("dependabot", "github-actions", "renovate")
WIDE = 2**31
"""Ids from this value on do not fit `databaseId`."""


class Dice:
    """Random choices for a plan whose history ends at `end`. `seed` determines all choices."""

    people: list[Account]
    bots: list[Account]

    def __init__(self, world: Ground, plan: Plan, end: Stamp, seed: str) -> None:
        self.world = world
        self.plan = plan
        self.end = end
        self.dice = Random(seed)

    def spread(self, threads: list[Any], total: int, deep: int, depth: int) -> Iterator[Any]:
        """Yields `total` threads, some of them more than once. First come `deep` randomly chosen threads, each `depth`
        times. The rest are random choices among the other threads.
        """
        order = self.dice.sample(threads, len(threads))
        chosen: Counter[int] = Counter()
        for place in range(min(deep, len(order))):
            chosen[place] = depth
        shallow = range(min(deep, len(order)), len(order))
        for _ in range(total - chosen.total() if shallow else 0):
            chosen[self.dice.choice(shallow)] += 1
        for place, times in sorted(chosen.items()):
            for _ in range(times):
                yield order[place]

    def identify(self, typename: str) -> int:
        if self.dice.random() >= self.plan.wide_ids:
            return self.world.next_id(typename)
        # Some of them beyond 2^32 too: node ids pack those otherwise.
        base = (WIDE if self.dice.random() < 0.5 else 3 * WIDE) + spread(typename, 1_000) * 1_000_000
        sequence = f"{typename} from {base}"
        self.world.sequences.setdefault(sequence, base - 1)
        return self.world.next_id(sequence)

    def somebody(self) -> Account | None:
        chance = self.dice.random()
        if chance < self.plan.ghosts or not self.people:
            return None
        return self.dice.choice(self.bots if chance < self.plan.ghosts + self.plan.bots else self.people)

    def later(self, at: Stamp, days: float = 60) -> Stamp:
        """Returns a random time after `at`: at most `days` later, and before the end of the history. Earlier times are
        more likely.
        """
        room = (moment(self.end) - moment(at)).total_seconds()
        return after(at, min(room, days * 86_400) * self.dice.random() ** 2)

    def soon(self, thread: Thread) -> Stamp:
        return self.later(thread.created_at, days=2)

    def sentence(self, words: int) -> str:
        return " ".join(self.dice.choices(WORDS, k=words))

    def text(self) -> str:
        chance = self.dice.random()
        if chance < self.plan.nuls:
            return f"before\0after {self.sentence(5)}"
        if chance < self.plan.nuls + self.plan.long_bodies:
            return (self.sentence(50) + "\n") * 300
        return self.sentence(self.dice.randrange(3, 60))
