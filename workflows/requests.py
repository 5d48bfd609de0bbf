"""Checks what people request of a workspace's workflow in Temporal, and makes the input of the activity that carries it
out.
"""

import re
import uuid

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from messages import Cancel, CancelRepository, Pause, Resume, Retry, SignalAction, SignalRequest

Signal = Retry | Cancel | Pause | Resume
Update = Signal | CancelRepository

_FULL_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def check(update: Update) -> None:
    """Raises `ValueError` for an update that no job could carry out, before Temporal writes it to the history."""
    try:
        uuid.UUID(update.job_id)
    except ValueError:
        raise ValueError(f"job_id: {update.job_id!r} is not the id of a job: `starter.py list` shows them") from None
    if isinstance(update, CancelRepository):
        if not _FULL_NAME.fullmatch(update.repository):
            raise ValueError(f"repository: {update.repository!r} is not owner/name")
    elif update.attempt is not None:
        raise ValueError("attempt: only our own programs set it, in signals")


def of_signal(workspace_id: str, action: SignalAction, signal: Signal) -> SignalRequest:
    """Returns the activity's input for a signal. If it has an attempt, this system sent it: the job's row is changed
    already, and is only read. Otherwise a person sent it: its action is written into the row.
    """
    return _request(workspace_id, action if signal.attempt is None else None, signal)


def of_update(workspace_id: str, action: SignalAction, update: Update) -> SignalRequest:
    """Returns the activity's input for an update. The activity writes the action into the job's row, or refuses it
    with a reason.
    """
    return _request(workspace_id, action, update, refuses=True)


def _request(workspace_id: str, action: SignalAction | None, asked: Update, *, refuses: bool = False) -> SignalRequest:
    return SignalRequest(
        workspace_id=workspace_id,
        job_id=asked.job_id,
        action=action,
        repository_ids=asked.repository_ids if isinstance(asked, Retry) else [],
        data_types=asked.data_types if isinstance(asked, Retry) else [],
        repository=asked.repository if isinstance(asked, CancelRepository) else "",
        refuses=refuses,
    )
