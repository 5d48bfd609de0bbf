"""Checks the signals and updates that people send to a workspace's workflow. Turns each of them into the input of the
activity `carry_out_signal`.
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
    """Raises `ValueError` for an update that no job could carry out. Temporal then rejects the update without writing
    it to the workflow's history.
    """
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
    """Returns the activity's input for a signal. A signal without an attempt was sent by a person, so the activity
    writes the action into the job's row. A signal with an attempt was sent by this system, which has already written
    the action. The activity then only reads the row.
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
