"""The names of workflow types, and the ids of workflows."""

WORKSPACE_BACKFILL = "WorkspaceBackfillWorkflow"
REPOSITORY_BACKFILL = "RepositoryBackfillWorkflow"
ARCHIVE = "ArchiveWorkflow"
RECONCILE = "ReconcileWorkflow"


def workspace_workflow_id(workspace_id: str) -> str:
    """Returns the id of a workspace's workflow, whose form must not change. A workspace has one workflow, so it runs
    one job at a time.
    """
    return f"workspace-backfill-{workspace_id}"


def repository_workflow_id(job_id: str, repository_id: str, name_at_start: str = "") -> str:
    """Returns the id of a repository's workflow in a job. It holds the name that the repository had at the job's start,
    which is unique in the job. Jobs that an older release began did not record names; the ids of their workflows
    hold uuids.
    """
    if name_at_start:
        return f"repository-backfill-{name_at_start}-{job_id}"
    return f"repository-backfill-{job_id}-{repository_id}"


def archive_workflow_id(read_id: str) -> str:
    return f"archive-{read_id}"


def reconcile_schedule_id(task_queue: str) -> str:
    """Returns the id of the schedule that reconciles with Polar on this task queue. The ids of the schedule's runs
    begin with it.
    """
    return f"reconcile-{task_queue}"
