"""A job that continues until it is paused."""

import asyncio
from dataclasses import dataclass, field

from temporalio import activity

from messages import SliceResult, SweepSlice
from tests.support.workflows.pretence import DONE


@dataclass
class Going:
    """Slices that continue until they are told to stop, or until all of them may end."""

    running: int = 0
    stopped: int = 0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _slice: SweepSlice, _call: int) -> SliceResult:
        self.running += 1
        try:
            while not self.may_end.is_set():
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        finally:
            self.running -= 1
        return DONE
