"""The codec server over HTTP, as Temporal's Web UI and the `temporal` command ask it."""

import asyncio
import base64
import json
import os
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from temporalio.client import Client

import temporal as ours
from api.tokens import SigningKeys
from messages import WorkspaceBackfill, workspace_workflow_id
from payloads import codec_server
from payloads.encryption import PayloadEncryption
from payloads.readers import Readers
from sandbox.temporal import TEMPORAL, Temporal
from tests.support.serving import serving
from tests.support.started import StartWebhook
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

KEY = os.urandom(32)
CODEC = PayloadEncryption({"old": KEY}, "old")
TOKEN = "the token of the codec server"
UI = "https://temporal.example.com"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
AUDIENCE = "temporal-ui"
SIGNING = ec.generate_private_key(ec.SECP256R1())


def payload(encoding: str, data: bytes) -> dict[str, Any]:
    """As Protobuf's JSON has it."""
    return {
        "metadata": {"encoding": base64.b64encode(encoding.encode()).decode()},
        "data": base64.b64encode(data).decode(),
    }


REPOSITORY = payload("json/plain", b'"acme/rocket"')


@pytest.fixture(scope="module")
async def signing_keys() -> AsyncIterator[SigningKeys]:
    """An identity provider's list of keys."""
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(SIGNING.public_key())) | {"kid": "idp", "alg": "ES256"}

    async def listed(_request: web.Request) -> web.Response:
        return web.json_response({"keys": [public]})

    app = web.Application()
    app.router.add_get("/keys", listed)
    async with serving(app) as url:
        yield SigningKeys(f"{url}/keys", path="")


@pytest.fixture(scope="module")
async def url(signing_keys: SigningKeys) -> AsyncIterator[str]:
    readers = Readers(TOKEN, keys=signing_keys, audience=AUDIENCE, names=["auth0|7", "ada@example.com"])
    app = web.Application()
    app.add_subapp("/codec", codec_server.application(CODEC, readers.authenticate, [UI]))
    async with serving(app) as address:
        yield f"{address}/codec"


async def post(url: str, body: Any, headers: Mapping[str, str] = BEARER) -> tuple[int, Any, Mapping[str, str]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=data, headers={"Content-Type": "application/json", **headers}) as response,
    ):
        return response.status, await response.json(), response.headers


async def test_what_is_encoded_is_decoded_and_what_is_plain_passes(url: str) -> None:
    status, encoded, headers = await post(f"{url}/encode", {"payloads": [REPOSITORY, REPOSITORY]})
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert headers["Cache-Control"] == "no-store"
    assert "acme/rocket" not in base64.b64decode(encoded["payloads"][0]["data"]).decode(errors="replace")
    mixed = {"payloads": [encoded["payloads"][0], REPOSITORY, encoded["payloads"][1]]}
    # The Web UI names the namespace, and a newer one may send more than we know of.
    sent = mixed | {"workflow": "later"}
    status, decoded, _ = await post(f"{url}/decode", sent, {**BEARER, "X-Namespace": "default"})
    assert (status, decoded) == (200, {"payloads": [REPOSITORY] * 3})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Cookie": f"token={TOKEN}"},
    ],
    ids=["none", "empty", "another", "basic", "bare", "cookie"],
)
@pytest.mark.parametrize("route", ["encode", "decode"])
async def test_nothing_is_converted_without_the_token(url: str, route: str, headers: dict[str, str]) -> None:
    status, answer, answered = await post(f"{url}/{route}", {"payloads": [REPOSITORY]}, headers)
    assert (status, answer["error"]["code"]) == (401, "unauthorized")
    assert answered["WWW-Authenticate"] == "Bearer"


def signed(key: Any = SIGNING, algorithm: str = "ES256", key_id: str = "idp", **claims: Any) -> dict[str, str]:
    claims = {"sub": "auth0|7", "aud": AUDIENCE, "exp": int(time.time()) + 600} | claims
    token = jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm, headers={"kid": key_id})
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "claims",
    [{}, {"sub": "auth0|8", "email": "ada@example.com", "email_verified": True}, {"aud": ["other", AUDIENCE]}],
    ids=["by subject", "by e-mail", "one of several audiences"],
)
async def test_who_is_listed_reads_by_the_token_of_the_web_ui(url: str, claims: dict[str, Any]) -> None:
    status, _, _ = await post(f"{url}/decode", {"payloads": [REPOSITORY]}, signed(**claims))
    assert status == 200


@pytest.mark.parametrize(
    "token",
    [
        {"sub": "auth0|8"},
        {"sub": "auth0|8", "email": "ada@example.com"},
        {"sub": "auth0|8", "email": "ada@example.com", "email_verified": "true"},
        {"aud": "another-application"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"key_id": "unheard-of"},
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"key": rsa.generate_private_key(65537, 2048), "algorithm": "RS256"},
        {"key": "k" * 32, "algorithm": "HS256"},
        {"key": None, "algorithm": "none"},
    ],
    ids=[
        *(
            "not listed",
            "e-mail not verified",
            "e-mail said to be verified",
            "other audience",
            "no audience",
            "expired",
        ),
        *("no expiry", "unknown key", "forged", "other algorithm", "shared secret", "unsigned"),
    ],
)
async def test_every_other_token_of_a_web_ui_is_refused(url: str, token: dict[str, Any]) -> None:
    status, answer, _ = await post(f"{url}/decode", {"payloads": [REPOSITORY]}, signed(**token))
    assert (status, answer["error"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"not json", 400),
        (b"\xff\xfe", 400),
        (b"{}", 400),
        (b'{"payloads": 7}', 400),
        (b'{"payloads":' + b"[" * 100_000, 400),
        (b" " * (codec_server.LARGEST_BODY + 1), 413),
    ],
    ids=["empty", "list", "text", "no unicode", "nothing", "number", "deep", "large"],
)
async def test_a_body_that_is_none_is_refused(url: str, body: bytes, status: int) -> None:
    found, answer, _ = await post(f"{url}/decode", body)
    assert found == status
    assert answer["error"]["code"] in ("bad_json", "too_large")


async def test_a_payload_that_does_not_decrypt_is_an_error_that_names_the_key_id(url: str) -> None:
    other = PayloadEncryption({"lost": KEY}, "lost")
    async with serving(_only(other)) as elsewhere:
        _, encoded, _ = await post(f"{elsewhere}/encode", {"payloads": [REPOSITORY]})
    status, answer, headers = await post(f"{url}/decode", encoded, {**BEARER, "Origin": UI})
    assert status == 400
    assert "TEMPORAL_PAYLOAD_KEYS: lacks key 'lost'" in answer["error"]["message"]
    assert headers["Access-Control-Allow-Origin"] == UI, "or the Web UI could not show why"


def _only(codec: PayloadEncryption) -> web.Application:
    return codec_server.application(codec, Readers(TOKEN).authenticate)


@pytest.mark.parametrize(("origin", "allowed"), [(UI, True), ("https://evil.example.com", False), ("null", False)])
async def test_a_browser_may_ask_from_the_web_uis_origin_alone(url: str, origin: str, allowed: bool) -> None:
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
    }
    async with aiohttp.ClientSession() as session, session.options(f"{url}/decode", headers=preflight) as response:
        assert response.status == (204 if allowed else 403)
        assert response.headers.get("Access-Control-Allow-Origin") == (UI if allowed else None)
        assert response.headers["Vary"] == "Origin"
        if allowed:
            names = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
            assert set(names) >= {"authorization", "content-type", "x-namespace"}
            assert "POST" in response.headers["Access-Control-Allow-Methods"]
    _, _, headers = await post(f"{url}/decode", {"payloads": []}, {**BEARER, "Origin": origin})
    assert headers.get("Access-Control-Allow-Origin") == (UI if allowed else None)


# --- The programs -----------------------------------------------------------------------------------------------------


async def test_the_temporal_command_shows_a_history_to_who_has_the_token(
    environment: dict[str, str], start_webhook: StartWebhook, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = f"old:{base64.b64encode(KEY).decode()}"
    webhook, url = await start_webhook(environment | {"TEMPORAL_PAYLOAD_KEYS": keys, "CODEC_SERVER_TOKEN": TOKEN})
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
    monkeypatch.setenv("TEMPORAL_PAYLOAD_KEYS", keys)
    client: Client = await ours.connect()
    workspace_id = uuid.uuid4().hex
    handle = await client.start_workflow(
        WorkspaceBackfillWorkflow.run,
        WorkspaceBackfill(workspace_id=workspace_id),
        id=workspace_workflow_id(workspace_id),
        task_queue="nobody",
    )
    try:
        command = [TEMPORAL, "workflow", "show", "--workflow-id", handle.id, "--address", temporal.address]
        command += ["--output", "json", "--codec-endpoint", f"{url}/codec", "--codec-auth", f"Bearer {TOKEN}"]
        shown = await asyncio.to_thread(run, command)
        started = json.loads(shown.stdout)["events"][0]["workflowExecutionStartedEventAttributes"]
        [shown_input] = started["input"]["payloads"]
        assert json.loads(base64.b64decode(shown_input["data"]))["workspace_id"] == workspace_id
    finally:
        await handle.terminate()
    log = webhook.tail(200)
    assert "payloads decoded" in log
    assert "Temporal's payloads are encrypted with key old" in log
    assert TOKEN not in log
    assert keys.partition(":")[2] not in log


def run(command: list[Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


async def test_without_a_setting_there_is_no_codec_server(
    environment: dict[str, str], start_webhook: StartWebhook
) -> None:
    webhook, url = await start_webhook(environment)
    status, answer, _ = await post(f"{url}/codec/decode", {"payloads": [REPOSITORY]})
    assert (status, answer["error"]["code"]) == (404, "not_found")
    log = webhook.tail(200)
    assert "neither CODEC_SERVER_TOKEN nor CODEC_JWKS_URL is set" in log
    assert "Temporal stores payloads in plain: TEMPORAL_PAYLOAD_KEYS names no key to encrypt with" in log
