"""Everything about Temporal's configuration: the connection, the encryption of payloads, and the namespace's search
attributes.

Workflows may call `attributes` and `updates`, because these are pure functions. A workflow learns from its input which
search attributes the namespace has.
"""

import asyncio
import logging
import os
import re
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client, Interceptor
from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from errors import BadInput, Unreachable
from release import VERSION

log = logging.getLogger(__name__)  # structlog cannot be imported in the workflow sandbox, and workflows import this

CONNECT_SECONDS = 5.0
REGISTERED_SECONDS = 15.0
"""Longest time until a new search attribute has reached every part of the server."""

WORKSPACE_ID = SearchAttributeKey.for_keyword("WorkspaceId")
REPOSITORY_FULL_NAME = SearchAttributeKey.for_keyword("RepositoryFullName")
BACKFILL_STATUS = SearchAttributeKey.for_keyword("BackfillStatus")
RETENTION_DAYS = SearchAttributeKey.for_int("RetentionDays")

_TYPES = {
    WORKSPACE_ID.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    REPOSITORY_FULL_NAME.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    BACKFILL_STATUS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    RETENTION_DAYS.name: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


async def connect(runtime: Runtime | None = None, *, interceptors: Sequence[Interceptor] = ()) -> Client:
    """Connects to the server and the namespace in `TEMPORAL_*`, from the environment or `.env`. Returns the client. The
    client's metrics go to `runtime`.

    `interceptors` also apply to workers that use the client. The client's identity holds process id, host and release.
    Temporal shows the identity beside the client's actions.

    Raises `BadInput` for a wrong setting, and `Unreachable` if the server does not answer within five seconds.
    """
    config = _connect_config()
    address = config.setdefault("target_host", "localhost:7233")
    namespace = config.setdefault("namespace", "default")
    if "://" in address:
        raise BadInput("TEMPORAL_ADDRESS", "must be host:port, without a scheme")
    converter = data_converter()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            identity = f"{os.getpid()}@{socket.gethostname()} workspace-backfill {VERSION}"
            client = await Client.connect(
                **config, data_converter=converter, runtime=runtime, identity=identity, interceptors=interceptors
            )
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except ValueError as error:
        raise BadInput("TEMPORAL_ADDRESS", str(error)) from None
    except TimeoutError:
        raise _unreachable(address, f"no answer within {CONNECT_SECONDS:g} s") from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise BadInput("TEMPORAL_NAMESPACE", f"there is no namespace {namespace} at {address}") from None
        if error.status is RPCStatusCode.UNAUTHENTICATED:
            raise BadInput("TEMPORAL_API_KEY", f"{address} does not accept it") from None
        if error.status is not RPCStatusCode.PERMISSION_DENIED:  # it may well be allowed to do what matters
            raise _unreachable(address, error.message) from None
    except RuntimeError as error:
        if "ParseError" in str(error):
            raise BadInput("TEMPORAL_TLS_*", "a certificate or key cannot be read") from None
        innermost = re.search(r'\b(?:message|error): "([^"]+)"', str(error))
        raise _unreachable(address, innermost[1] if innermost else str(error)) from None
    return client


def measured_runtime() -> Runtime | None:
    """Returns a runtime that serves Temporal's metrics and ours at `METRICS_PORT`, or None if no port is set.

    Raises `BadInput` if the port cannot be used, for example because it is not free.
    """
    import settings

    setting = settings.load(settings.Metrics)
    if setting.metrics_port is None:
        return None
    host = f"[{setting.metrics_host}]" if ":" in setting.metrics_host else setting.metrics_host
    # Published dashboards and alerts for Temporal's SDKs take these three for granted.
    metrics = PrometheusConfig(
        bind_address=f"{host}:{setting.metrics_port}",
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics))
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise BadInput("METRICS_HOST, METRICS_PORT", f"cannot listen on {metrics.bind_address}: {why}") from None


def data_converter() -> DataConverter:
    """Returns pydantic's converter with a codec for encrypted payloads. If `TEMPORAL_PAYLOAD_KEYS` names a key to
    encrypt with, all payloads are encrypted, those of errors too. Otherwise the codec only decrypts.

    Raises `BadInput` if the setting is wrong. Registers the keys as secrets, so that logs do not show them.
    """
    # Here, because workflows import this module and need none of it.
    import logs
    import settings
    from payloads.encryption import PayloadEncryption

    setting = settings.load(settings.Payloads)
    for secret in setting.secrets:
        logs.register_secret(secret)
    codec = PayloadEncryption(setting.keys, setting.encrypts_with)
    converter = replace(pydantic_data_converter, payload_codec=codec)
    if setting.encrypts_with is None:
        return converter
    return replace(converter, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)


def encryption_in_words() -> str:
    """Returns a sentence for the log that says whether payloads are encrypted. The worker and the webhook server log it
    when they start.
    """
    import settings

    setting = settings.load(settings.Payloads)
    if setting.encrypts_with is None:
        read = f"; keys {', '.join(setting.keys)} decrypt" if setting.keys else ""
        return f"Temporal stores payloads in plain: TEMPORAL_PAYLOAD_KEYS names no key to encrypt with{read}"
    return f"Temporal's payloads are encrypted with key {setting.encrypts_with}; keys {', '.join(setting.keys)} decrypt"


def _unreachable(address: str, why: str) -> Unreachable:
    action = "check TEMPORAL_ADDRESS, TEMPORAL_TLS and TEMPORAL_API_KEY"
    return Unreachable("temporal_unreachable", f"Temporal at {address} cannot be reached: {why[:300]}", action)


def _connect_config() -> ClientConnectConfig:
    from dotenv import dotenv_values  # here, because workflows import this module

    environment = {name: value for name, value in (dotenv_values(".env") | os.environ).items() if value}
    if environment.get("TEMPORAL_TLS", "true").lower() not in ("true", "false", "1", "0"):
        raise BadInput("TEMPORAL_TLS", "must be true or false")  # the library would take any other word for unset
    try:
        return ClientConfigProfile.load(override_env_vars=environment).to_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise BadInput("TEMPORAL_*", " ".join(str(error).split())[:300]) from None


def attributes(
    usable: Collection[str],
    *,
    workspace_id: str | None = None,
    repository: str | None = None,
    status: str | None = None,
    retention_days: int | None = None,
) -> TypedSearchAttributes:
    """Returns the search attributes with which a workflow is started. Arguments that are None are left out, and so are
    attributes that the namespace does not have. `usable` holds the names of the attributes that the namespace has.
    """
    return TypedSearchAttributes(list(_pairs(usable, workspace_id, repository, status, retention_days)))


def updates(usable: Collection[str], *, status: str) -> list[SearchAttributeUpdate[str]]:
    """Returns the argument with which `workflow.upsert_search_attributes` sets `BackfillStatus` to `status`. `usable`
    holds the names of the attributes that the namespace has. The list is empty if `BackfillStatus` is not among them.
    """
    return [BACKFILL_STATUS.value_set(status)] if BACKFILL_STATUS.name in usable else []


def _pairs(
    usable: Collection[str],
    workspace_id: str | None,
    repository: str | None,
    status: str | None,
    retention_days: int | None,
) -> Iterator[SearchAttributePair[str] | SearchAttributePair[int]]:
    for key, text in ((WORKSPACE_ID, workspace_id), (REPOSITORY_FULL_NAME, repository), (BACKFILL_STATUS, status)):
        if text is not None and key.name in usable:
            yield SearchAttributePair(key, text)
    if retention_days is not None and RETENTION_DAYS.name in usable:
        yield SearchAttributePair(RETENTION_DAYS, retention_days)


async def register_search_attributes(client: Client) -> frozenset[str]:
    """Registers the search attributes that the namespace lacks. Returns the names of all search attributes that can be
    used.

    An attribute that cannot be registered raises no error. It is logged and left out of the result. Reasons are a
    missing permission, a server without operator service, a limit, or an attribute of the same name with another type.
    Several processes may call this function at once.
    """
    refused = await refused_search_attributes(client)
    for name in sorted(refused):
        try:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes={name: _TYPES[name]}),
                timeout=timedelta(seconds=CONNECT_SECONDS),
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                refused[name] = error.message or error.status.name
                continue
        if why := await _lasting_refusal(client, name):
            refused[name] = why
        else:
            del refused[name]
    for name, why in refused.items():
        extra = {"namespace": client.namespace, "search_attribute": name, "reason": why}
        log.warning("search_attribute_unavailable", extra=extra)
    return frozenset(_TYPES) - refused.keys()


async def refused_search_attributes(client: Client) -> dict[str, str]:
    """Returns the search attributes that the namespace refuses, with the reason for each. Registers no attribute."""
    return {name: why for name in _TYPES if (why := await _refusal(client, name))}


async def pollers(client: Client, task_queue: str, *, workflows: bool) -> set[str]:
    """Returns the identities of the workers that poll a task queue for activities. With `workflows`, returns only the
    workers that also poll the queue for workflows.

    Raises `Unreachable` if the server does not answer.
    """
    kinds = [TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY]
    kinds += [TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW] if workflows else []
    found: list[set[str]] = []
    for kind in kinds:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
        )
        try:
            told = await client.workflow_service.describe_task_queue(request)
        except RPCError as error:
            raise _unreachable(client.service_client.config.target_host, error.message) from error
        found.append({each.identity for each in told.pollers})
    return set.intersection(*found)


async def _lasting_refusal(client: Client, name: str) -> str | None:
    """Waits until the namespace accepts a newly registered attribute, and then returns None. If the namespace still
    refuses the attribute after `REGISTERED_SECONDS`, returns the reason.
    """
    why = None
    for _ in range(int(REGISTERED_SECONDS / 0.2)):
        why = await _refusal(client, name)
        if why is None:
            break
        await asyncio.sleep(0.2)
    return why


async def _refusal(client: Client, name: str) -> str | None:
    """Returns the reason why the namespace refuses a value of our type for this attribute, or None if the namespace
    accepts it.

    The function tries a query with the attribute, because every server allows queries. Only operators may list
    attributes.
    """
    value = "0" if _TYPES[name] == IndexedValueType.INDEXED_VALUE_TYPE_INT else "'0'"
    try:
        await client.count_workflows(f"{name} = {value}", rpc_timeout=timedelta(seconds=CONNECT_SECONDS))
    except RPCError as error:
        return error.message or error.status.name
    return None
