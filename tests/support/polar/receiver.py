"""Serves the webhook in this process, as `webhook.py` does while Temporal is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import webhook
from polar.inbox import Inbox
from polar.signature import Signatures
from reconciler.loop import Reconciler
from store.database import Database
from tests.support import shop
from tests.support.serving import serving


@asynccontextmanager
async def receiving(pool: Database) -> AsyncIterator[tuple[str, Inbox]]:
    """Takes deliveries and finishes none of them; yields the server's address, and the inbox that can finish them."""
    reconciler = Reconciler(pool, task_queue="nobody's")
    inbox = Inbox(pool, shop.PRODUCTS, created=reconciler.hurry)
    async with serving(webhook.application(pool, Signatures(shop.SECRET), inbox, reconciler)) as url:
        yield url, inbox
