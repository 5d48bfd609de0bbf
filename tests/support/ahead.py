"""Imported by a process that forks others: loads once what each of them would otherwise load and build.

That is a third of the cost of a small sweep in a process that has just started.
"""

import importlib
import os

from activities.embeddings.position import EmbeddingPosition
from activities.events.position import EventPosition
from activities.threads.position import ThreadPosition
from github.queries.documents import Request, operations

LATE = (
    *("anyio._backends._asyncio", "concurrent.futures.thread", "h11", "httpcore2", "truststore"),
    *("cyclopts.help", "rich.markdown"),
    *("embedding.client", "numpy", "openai.lib._parsing._embeddings", "openai.resources.embeddings", "splintr"),
    *("github.events.archive", "temporalio.worker.workflow_sandbox._in_sandbox"),
)
"""What the programs and the libraries that they use import only when they need it."""

# No fork would have the threads of a linear algebra that nobody uses.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
for name in LATE:
    importlib.import_module(name)
for operation in operations():
    Request(operation, {})
for repositories in (1, 2, 3):
    Request("SmallRepositories", {}, repositories)
for position in (ThreadPosition, EventPosition, EmbeddingPosition):
    position.read({})
