"""The pace of a job."""

from messages.terms import Message


class Pace(Message):
    """The pace of a job: how many repositories run at once, how long a slice is, and how long to wait for workers. The
    pace comes from the worker's settings when the job starts.
    """

    heartbeat_timeout_seconds: float = 60
    slice_seconds: float = 60
    slice_pages: int = 20
    repositories_at_once: int = 10
    worker_patience_seconds: float = 30
    """A slice that no worker has begun for so many seconds is shown as waiting for a worker."""
