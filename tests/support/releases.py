"""An older release of this project, from its own history."""

import subprocess
from pathlib import Path

from tests.support.programs import ROOT

OLDER = "20153d07bef66d1174f159e3dea2e5211f23311d"
"""The last commit of which a worker knows no surveys (28 November 2026)."""


def older_release(folder: Path) -> Path | None:
    """Unpacks the older release into `folder` and returns it; None if this clone's history does not reach back to
    it."""
    archive = subprocess.run(["git", "archive", OLDER], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        return None
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder
