"""Messages of the outbox, made without a database."""

import uuid
from datetime import UTC, datetime
from typing import Any

from store.milestones import Milestone, NamedFailure
from store.outbox import ChannelName, Outgoing

ADDRESS = "ada@example.com"
FAILURE = NamedFailure(
    repository="octo/b",
    data_type="issues",
    code="forbidden",
    message="GitHub refuses the repository",
    action="Give the token access to octo/b",
)


def milestone(**changes: Any) -> Milestone:
    """Makes the milestone of a job over three repositories that ended well."""
    facts = {
        "job_id": str(uuid.uuid4()),
        "attempt": 0,
        "workspace_id": "0f3f2c3e-1c5c-4f0c-9f0e-0d8b7f1f2a11",
        "workspace_name": "acme",
        "status": "completed",
        "title": "Backfill of acme completed",
        "message": "All 3 repositories are complete.",
        "retention_days": 365,
        "total_repositories": 3,
        "completed_repositories": 3,
        "failed_repositories": 0,
        "stored": {"pull_requests": 1204, "issues": 322, "comments": 10_411, "events": 81_022},
        "failures": [],
        "more_failures": 0,
        "unshown": 0,
        "unshown_things": [],
        "at": datetime(2026, 11, 28, 12, tzinfo=UTC),
    }
    return Milestone(**{**facts, **changes})


def outgoing(
    channel: ChannelName = "mail", *, address: str | None = ADDRESS, mail_wanted: bool = True, **changes: Any
) -> Outgoing:
    """Makes a message that is sent for the first time. `changes` replace fields of its milestone."""
    return Outgoing(
        id=str(uuid.uuid4()),
        channel=channel,
        milestone=milestone(**changes),
        attempts=1,
        created_at=datetime(2026, 11, 28, 12, tzinfo=UTC),
        address=address,
        mail_wanted=mail_wanted,
    )
