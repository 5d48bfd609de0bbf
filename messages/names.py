"""The names of workflow types, and the ids of workflows."""

WORKSPACE_BACKFILL = "WorkspaceBackfillWorkflow"
REPOSITORY_BACKFILL = "RepositoryBackfillWorkflow"
ARCHIVE = "ArchiveWorkflow"
RECONCILE = "ReconcileWorkflow"


def workspace_workflow_id(workspace_id: str) -> str:
    """Returns the id of a workspace's workflow. A workspace has one workflow, so that its jobs run one at a time. The
    form of the id must not change, because running workflows are found by it.
    """
    return f"workspace-backfill-{workspace_id}"


def repository_workflow_id(job_id: str, repository_id: str, name_at_start: str = "") -> str:
    """Returns the id of a repository's workflow in a job.

    `name_at_start` is the repository's name when the job started, which is unique in the job. Without a name, the id
    holds the repository's uuid. The name is empty if an older release started the job, or if Temporal must not store
    names of repositories.
    """
    if name_at_start:
        return f"repository-backfill-{name_at_start}-{job_id}"
    return f"repository-backfill-{job_id}-{repository_id}"


def archive_workflow_id(read_id: str) -> str:
    return f"archive-{read_id}"


def reconcile_schedule_id(task_queue: str) -> str:
    """Returns the id of the schedule that reconciles with Polar. The schedule's workflows run on this task queue, and
    their ids begin with the schedule's id.
    """
    return f"reconcile-{task_queue}"
