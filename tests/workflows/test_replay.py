"""Workflows that began under an older release go on under this one: their histories replay, decision by decision.

`record.py` made the histories. If one does not replay any more, do not record it anew: the change of the workflows'
shape needs `workflow.patched()`, because what runs in production began with the old shape.
"""

import base64
import re

import pytest
from temporalio import workflow
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.support.workflows.histories import HISTORIES, read
from workflows.archive import ArchiveWorkflow
from workflows.repository_backfill import RepositoryBackfillWorkflow
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

NAMES = sorted(path.stem for path in HISTORIES.glob("*.json"))
SIGNS_OF_A_MACHINE = ("/work", "/root", "/home", "/usr", "/tmp", "site-packages", "@")


def replayer(*workflows: type) -> Replayer:
    return Replayer(workflows=workflows, data_converter=pydantic_data_converter)


@pytest.mark.parametrize("name", NAMES)
async def test_a_recorded_history_replays(name: str) -> None:
    await replayer(WorkspaceBackfillWorkflow, RepositoryBackfillWorkflow, ArchiveWorkflow).replay_workflow(read(name))


def test_the_histories_are_of_every_kind() -> None:
    assert {"workspace", "workspace-canceled", "workspace-retried", "repository-one", "repository-two"} <= {*NAMES}
    assert {"repository-canceled", "archive", "archive-canceled"} <= {*NAMES}
    assert {"repository-one-2", "repository-two-2", "repository-behind-another-2"} <= {*NAMES}
    assert {"repository-one-recent-3", "repository-one-3", "workspace-gives-way-3"} <= {*NAMES}
    assert {"repository-behind-another-4", "workspace-behind-another-4", "repository-one-recent-4"} <= {*NAMES}
    assert {"workspace-paused-5", "workspace-updated-6", "repository-paused-in-temporal-6"} <= {*NAMES}
    assert {"repository-limited-gives-way-3", "repository-in-a-slice-gives-way-3"} <= {*NAMES}
    outcomes = {name: outcomes_in(name) for name in NAMES}
    assert "waiting" in outcomes["repository-one-2"]
    assert "busy" in outcomes["repository-behind-another-2"]
    assert "busy" in outcomes["repository-behind-another-4"]
    texts = {name: (HISTORIES / f"{name}.json").read_text() for name in ("workspace-gives-way-3", "workspace-3")}
    assert ["core_patch" in text for text in texts.values()] == [True, False]


def outcomes_in(name: str) -> set[str]:
    """How the slices of a recorded repository ended."""
    text = (HISTORIES / f"{name}.json").read_text()
    results = [base64.b64decode(each).decode() for each in re.findall(r'"data":"([^"]*)"', text)]
    return {found[1] for each in results if (found := re.search(r'"outcome":"(\w+)"', each))}


@workflow.defn(name="RepositoryBackfillWorkflow", sandboxed=False)
class Other:
    """Of another shape."""

    @workflow.run
    async def run(self, _backfill: object) -> None:
        await workflow.sleep(1)


async def test_a_workflow_of_another_shape_does_not_replay() -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(Other).replay_workflow(read("repository-one"))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_them_tells_of_the_machine(name: str) -> None:
    text = (HISTORIES / f"{name}.json").read_text()
    payload = re.compile(r'"data":"([^"]*)"')
    # What payloads say is looked at too, but not as the base64 that it is written in.
    texts = [payload.sub("", text), *(base64.b64decode(each).decode() for each in payload.findall(text))]
    assert len(texts) > 10
    assert not [(sign, each) for sign in SIGNS_OF_A_MACHINE for each in texts if sign in each]
