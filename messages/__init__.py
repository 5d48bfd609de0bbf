"""The messages between commands, workflows and activities. Messages are small and of limited size. They hold no secrets
and no rows.

Times are in UTC, with their time zone. Ids of jobs, workspaces and repositories are Postgres' uuids, as text.
"""

# A field names only classes that stand above its own: the workflows' sandbox knows this package, but not its modules,
# so pydantic finds no class there that is named before it exists.

from messages.archive import ArchivePlan as ArchivePlan
from messages.archive import ArchiveProgress as ArchiveProgress
from messages.archive import ArchiveRead as ArchiveRead
from messages.archive import ArchiveSlice as ArchiveSlice
from messages.archive import EndArchive as EndArchive
from messages.failures import Failure as Failure
from messages.jobs import BeginJob as BeginJob
from messages.jobs import FailedRepository as FailedRepository
from messages.jobs import FinishJob as FinishJob
from messages.jobs import FreePlaces as FreePlaces
from messages.jobs import JobOutcome as JobOutcome
from messages.jobs import JobPlace as JobPlace
from messages.jobs import JobPlan as JobPlan
from messages.jobs import JobProgress as JobProgress
from messages.jobs import NextRepositories as NextRepositories
from messages.jobs import Reconciled as Reconciled
from messages.jobs import RunningRepository as RunningRepository
from messages.jobs import SurveyRepositories as SurveyRepositories
from messages.jobs import WaitingRepositories as WaitingRepositories
from messages.jobs import WorkspaceBackfill as WorkspaceBackfill
from messages.names import ARCHIVE as ARCHIVE
from messages.names import RECONCILE as RECONCILE
from messages.names import REPOSITORY_BACKFILL as REPOSITORY_BACKFILL
from messages.names import WORKSPACE_BACKFILL as WORKSPACE_BACKFILL
from messages.names import archive_workflow_id as archive_workflow_id
from messages.names import reconcile_schedule_id as reconcile_schedule_id
from messages.names import repository_workflow_id as repository_workflow_id
from messages.names import workspace_workflow_id as workspace_workflow_id
from messages.pace import Pace as Pace
from messages.repositories import RepositoryBackfill as RepositoryBackfill
from messages.repositories import RepositoryOutcome as RepositoryOutcome
from messages.repositories import RepositoryRef as RepositoryRef
from messages.repositories import RepositoryScope as RepositoryScope
from messages.repositories import RepositoryTransition as RepositoryTransition
from messages.repositories import SliceResult as SliceResult
from messages.repositories import SweepSlice as SweepSlice
from messages.repositories import TypeOutcome as TypeOutcome
from messages.signals import Cancel as Cancel
from messages.signals import CancelRepository as CancelRepository
from messages.signals import JobStanding as JobStanding
from messages.signals import Pause as Pause
from messages.signals import Resume as Resume
from messages.signals import Retry as Retry
from messages.signals import Run as Run
from messages.signals import SignalAction as SignalAction
from messages.signals import SignalRequest as SignalRequest
from messages.terms import DATA_TYPES as DATA_TYPES
from messages.terms import LEGS as LEGS
from messages.terms import TERMINAL_JOB_STATUSES as TERMINAL_JOB_STATUSES
from messages.terms import THREADS as THREADS
from messages.terms import AddonStatus as AddonStatus
from messages.terms import DataType as DataType
from messages.terms import JobStatus as JobStatus
from messages.terms import Leg as Leg
from messages.terms import Message as Message
from messages.terms import Noted as Noted
from messages.terms import PartStatus as PartStatus
from messages.terms import SliceOutcome as SliceOutcome
from messages.terms import Text as Text
from messages.terms import WaitingFor as WaitingFor
from messages.terms import WaitingReason as WaitingReason
from messages.waits import PausedSlice as PausedSlice
from messages.waits import PausedSlices as PausedSlices
from messages.waits import Waiting as Waiting
