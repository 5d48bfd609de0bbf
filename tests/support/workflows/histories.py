"""Recorded histories of workflows."""

import json
from pathlib import Path

from temporalio.client import WorkflowHistory

HISTORIES = Path(__file__).parents[2] / "workflows" / "histories"


def read(name: str) -> WorkflowHistory:
    recorded = json.loads((HISTORIES / f"{name}.json").read_text())
    return WorkflowHistory.from_json(recorded["workflow_id"], {"events": recorded["events"]})
