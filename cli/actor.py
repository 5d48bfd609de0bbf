"""Identifies the person who runs a command, for the audit of a job."""

import getpass

from store.job_requests import Actor


def operator() -> Actor:
    """Returns the person who runs this command."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = "unknown"  # an account without a name, as in some containers
    return Actor(f"operator:{login}", "cli")
