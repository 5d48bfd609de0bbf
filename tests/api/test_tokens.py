"""Tokens of every kind: the two good ones, and those that somebody might hope are good."""

import base64
import hmac
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic_key
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from api.limits import FAILURES, WINDOW_SECONDS, FailedAuthentications
from api.tokens import FRESH_SECONDS, REFRESH_SECONDS, STALE_SECONDS, Rejected, SigningKeys, UserTokens
from tests.support.api import world
from tests.support.api.world import SECRET, SERVICE, Api, Tenant, bearer, user_token
from tests.support.keys import KEYS, public_key
from tests.support.serving import serving

ELLIPTIC = elliptic_key(SECP256R1())
STRANGERS = elliptic_key(SECP256R1())
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
async def path(host: asyncpg.Connection, tenant: Tenant) -> str:
    """Of what every member may see."""
    return f"/api/backfills/{await world.job(host, tenant.workspace_id)}"


def raw(header: Any, payload: Any, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def signed(
    user: uuid.UUID, key: Any = ELLIPTIC, algorithm: str = "ES256", kid: str | None = "now", **claims: Any
) -> str:
    """With a private key, as Supabase's projects with asymmetric keys do."""
    whole = {"sub": str(user), "aud": "authenticated", "exp": datetime.now(UTC) + timedelta(hours=1), **claims}
    return jwt.encode(whole, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def hs_with_the_public_key(user: uuid.UUID, public: str) -> str:
    """What a verifier takes that lets the token choose the algorithm. PyJWT refuses to make one."""
    claims = {"sub": str(user), "aud": "authenticated", "exp": 4_000_000_000}
    unsigned = raw({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims).removesuffix(".")
    signature = hmac.digest(public.encode(), unsigned.encode(), "sha256")
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


BAD: dict[str, Callable[[uuid.UUID], str]] = {
    "of algorithm none": lambda user: raw({"alg": "none"}, {"sub": str(user), "aud": "authenticated", "exp": 4e9}),
    "of algorithm None": lambda user: raw({"alg": "None"}, {"sub": str(user), "aud": "authenticated", "exp": 4e9}),
    "without an algorithm": lambda user: raw({}, {"sub": str(user), "aud": "authenticated", "exp": 4e9}),
    "whose signature is cut off": lambda user: user_token(user).rpartition(".")[0] + ".",
    "whose signature is another's": lambda user: (
        user_token(user).rpartition(".")[0] + "." + user_token(uuid.uuid4()).rpartition(".")[2]
    ),
    "expired": lambda user: user_token(user, exp=NOW - timedelta(seconds=1)),
    "not yet valid": lambda user: user_token(user, nbf=datetime.now(UTC) + timedelta(hours=1)),
    "without an end": lambda user: user_token(user, without="exp"),
    "whose end is no number": lambda user: user_token(user, exp="never"),
    "for another audience": lambda user: user_token(user, aud="anon"),
    "without an audience": lambda user: user_token(user, without="aud"),
    "of another project": lambda user: user_token(user, secret="another-project's-secret-of-32-bytes"),
    "signed with nothing": lambda user: user_token(user, secret=" " * 32),
    "of nobody": lambda user: user_token(user, without="sub"),
    "whose subject is no uuid": lambda _user: user_token("alice"),
    "of HS512": lambda user: jwt.encode(
        {"sub": str(user), "aud": "authenticated", "exp": NOW + timedelta(hours=1)}, SECRET * 2, "HS512"
    ),
    "a project's anonymous key": lambda _user: user_token("", without="sub", aud="anon", role="anon"),
    "of deep JSON": lambda _user: base64.urlsafe_b64encode(b"[" * 3_000).decode().rstrip("=") + ".e30.",
    "of garbage": lambda _user: "garbage",
    "of dots": lambda _user: "..",
    "not of ASCII": lambda _user: "tökén",
    "not of UTF-8": lambda _user: "t\udcff",
    "empty": lambda _user: "",
    "the service's with a suffix": lambda _user: f"{SERVICE}x",
    "the service's without its end": lambda _user: SERVICE[:-1],
    "the service's in capitals": lambda _user: SERVICE.upper(),
    "the secret itself": lambda _user: SECRET,
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_token_is_refused(api: Api, tenant: Tenant, path: str, kind: str) -> None:
    token = BAD[kind](tenant.owner.auth_user_id)
    answer = await api.ask("GET", path, headers=bearer(token))
    assert (answer.status, answer.json["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not token or token not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": user_token("00000000-0000-0000-0000-000000000000")},
        {"Authorization": f"Basic {SERVICE}"},
        {"Authorization": "Bearer"},
        {"X-API-Key": SERVICE},
        {"Cookie": f"access_token={SERVICE}"},
    ],
    ids=["none", "no scheme", "another scheme", "no token", "a key", "a cookie"],
)
async def test_nothing_but_a_bearer_token_counts(api: Api, path: str, headers: dict[str, str]) -> None:
    assert (await api.ask("GET", path, headers=headers)).status == 401


async def test_two_tokens_are_none(api: Api, path: str) -> None:
    async with api.http.get(
        api.url + path, headers=[("Authorization", f"Bearer {SERVICE}"), ("Authorization", "Bearer x")]
    ) as answer:
        assert answer.status == 401


async def test_good_tokens(api: Api, tenant: Tenant, path: str) -> None:
    user = tenant.owner.auth_user_id
    # A clock that is behind Supabase's refuses nobody.
    for token in (SERVICE, user_token(user), user_token(user, iat=datetime.now(UTC) + timedelta(minutes=1))):
        assert (await api.ask("GET", path, token=token)).status == 200
    assert (await api.ask("GET", path, headers={"Authorization": f"bearer  {SERVICE}"})).status == 200


async def test_without_settings_everybody_is_refused(database: str, tenant: Tenant, path: str) -> None:
    async with world.serving_api(database, secret=None, service=None) as api:
        for token in (SERVICE, user_token(tenant.owner.auth_user_id)):
            assert (await api.ask("GET", path, token=token)).status == 401


class Supabase:
    """Lists keys as a project does, and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [jwk(ELLIPTIC, "now"), jwk(KEYS["rsa"], "rsa")]
        self.asked = 0
        self.answers = True

    async def get(self, _request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return web.json_response({"keys": self.keys} if self.answers else {}, status=200 if self.answers else 503)


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kind = ECAlgorithm if isinstance(key, EllipticCurvePrivateKey) else RSAAlgorithm
    public = kind.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "use": "sig", "alg": "ES256" if kind is ECAlgorithm else "RS256", **more}


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def of_a_project(database: str, *, secret: str | None = None) -> AsyncIterator[tuple[Api, Supabase, Clock]]:
    supabase, clock = Supabase(), Clock()
    app = web.Application()
    app.router.add_get("/auth/v1/.well-known/jwks.json", supabase.get)
    async with serving(app) as url:
        keys = SigningKeys(url, clock=clock)
        async with world.serving_api(database, secret=secret, keys=keys) as api:
            yield api, supabase, clock


class TestListedKeys:
    """A project whose tokens are signed with private keys."""

    async def test_its_tokens_are_good_and_its_keys_listed_once(self, database: str, tenant: Tenant, path: str) -> None:
        async with of_a_project(database) as (api, supabase, _):
            for token in (
                signed(tenant.owner.auth_user_id),
                signed(tenant.owner.auth_user_id, KEYS["rsa"], "RS256", "rsa"),
            ):
                assert (await api.ask("GET", path, token=token)).status == 200
            assert supabase.asked == 1

    @pytest.mark.parametrize(
        "bad",
        [
            lambda user: signed(user, STRANGERS),
            lambda user: signed(user, kid="unknown"),
            lambda user: signed(user, kid=None),
            lambda user: signed(user, kid="rsa"),
            lambda user: signed(user, KEYS["rsa"], "RS256", "now"),
            lambda user: signed(user, KEYS["rsa"], "PS256", "rsa"),
            lambda user: signed(user, aud="anon"),
            lambda user: signed(user, exp=NOW - timedelta(seconds=1)),
            lambda user: hs_with_the_public_key(user, public_key("rsa")),
            user_token,
            lambda user: jwt.encode(
                {"sub": str(user), "aud": "authenticated", "exp": 4_000_000_000},
                "listed-by-mistake-and-32-bytes-long",
                headers={"kid": "secret"},
            ),
        ],
        ids=[
            "another project's key",
            "a key that is not listed",
            "no key id",
            "the id of another key",
            "the id of a key of another kind",
            "another algorithm of the same key",
            "another audience",
            "expired",
            "HS256 with the public key",
            "HS256 with no secret set",
            "HS256 with a listed secret",
        ],
    )
    async def test_a_bad_token_is_refused(
        self, database: str, tenant: Tenant, path: str, bad: Callable[[uuid.UUID], str]
    ) -> None:
        async with of_a_project(database) as (api, supabase, _):
            secret = base64.urlsafe_b64encode(b"listed-by-mistake-and-32-bytes-long").decode()
            supabase.keys.append({"kty": "oct", "kid": "secret", "alg": "HS256", "k": secret})
            assert (await api.ask("GET", path, token=bad(tenant.owner.auth_user_id))).status == 401

    async def test_the_public_key_is_no_secret_where_both_are_set(
        self, database: str, tenant: Tenant, path: str
    ) -> None:
        async with of_a_project(database, secret=SECRET) as (api, _, _clock):
            user = tenant.owner.auth_user_id
            assert (await api.ask("GET", path, token=hs_with_the_public_key(user, public_key("rsa")))).status == 401
            assert (await api.ask("GET", path, token=user_token(user))).status == 200
            assert (await api.ask("GET", path, token=signed(user))).status == 200

    async def test_a_new_key_is_found_and_invented_key_ids_ask_at_most_once_in_a_while(
        self, database: str, tenant: Tenant, path: str
    ) -> None:
        async with of_a_project(database) as (api, supabase, clock):
            user = tenant.owner.auth_user_id
            assert (await api.ask("GET", path, token=signed(user))).status == 200
            supabase.keys.append(jwk(STRANGERS, "next"))
            for number in range(5):
                assert (await api.ask("GET", path, token=signed(user, kid=f"invented-{number}"))).status == 401
            assert supabase.asked == 1
            clock.now += REFRESH_SECONDS
            assert (await api.ask("GET", path, token=signed(user, STRANGERS, kid="next"))).status == 200
            assert supabase.asked == 2

    async def test_a_revoked_key_is_refused_once_the_list_is_old(
        self, database: str, tenant: Tenant, path: str
    ) -> None:
        async with of_a_project(database) as (api, supabase, clock):
            token = signed(tenant.owner.auth_user_id)
            assert (await api.ask("GET", path, token=token)).status == 200
            supabase.keys.clear()
            clock.now += FRESH_SECONDS + 1
            assert (await api.ask("GET", path, token=token)).status == 401

    async def test_while_supabase_is_away_known_keys_are_good_and_others_have_to_wait(
        self, database: str, tenant: Tenant, path: str
    ) -> None:
        async with of_a_project(database) as (api, supabase, clock):
            user = tenant.owner.auth_user_id
            supabase.answers = False
            waiting = await api.ask("GET", path, token=signed(user))
            assert (waiting.status, waiting.headers["Retry-After"]) == (503, "2")
            supabase.answers = True
            clock.now += REFRESH_SECONDS
            assert (await api.ask("GET", path, token=signed(user))).status == 200
            supabase.answers = False
            clock.now += FRESH_SECONDS + 1
            assert (await api.ask("GET", path, token=signed(user))).status == 200
            assert (await api.ask("GET", path, token=signed(user, kid="new"))).status == 503
            clock.now += STALE_SECONDS
            assert (await api.ask("GET", path, token=signed(user))).status == 503


class TestFailures:
    """Who fails too often is told to wait; whom he shares an address with is not."""

    async def test_an_address_is_limited_and_good_tokens_are_not(self, database: str, path: str) -> None:
        clock = Clock()
        async with world.serving_api(database, failures=FailedAuthentications(clock=clock)) as api:
            for _ in range(FAILURES):
                assert (await api.ask("GET", path, token="guess")).status == 401
            limited = await api.ask("GET", path, token="guess")
            assert (limited.status, limited.json["error"]["code"]) == (429, "too_many_failures")
            assert 1 <= int(limited.headers["Retry-After"]) <= WINDOW_SECONDS + 1
            assert (await api.ask("GET", path, token=SERVICE)).status == 200
            clock.now += WINDOW_SECONDS
            assert (await api.ask("GET", path, token="guess")).status == 401

    def test_memory_is_bounded_and_addresses_are_counted_alone(self) -> None:
        failures = FailedAuthentications(clock=Clock())
        for number in range(12_000):
            assert failures.add(f"10.0.{number // 250}.{number % 250}") is None
        assert len(failures) == 10_000

    def test_an_ipv6_caller_has_one_window_for_his_whole_network(self) -> None:
        failures = FailedAuthentications(clock=Clock())
        waits = [failures.add(f"2001:db8:0:1::{number:x}") for number in range(FAILURES + 1)]
        assert (waits[-2], waits[-1]) == (None, WINDOW_SECONDS)
        assert failures.add("2001:db8:0:2::1") is None
        assert failures.add("::ffff:10.0.0.1") is None


CLAIMS = st.dictionaries(
    st.sampled_from(["sub", "aud", "exp", "iat", "nbf", "iss", "jti", "role"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**9, 10**20)
    | st.floats()
    | st.sampled_from(["authenticated", str(uuid.uuid4()), "4e9", [], {}, ["authenticated"]])
    | st.text(max_size=10),
)
HEADS = st.fixed_dictionaries(
    {}, optional={"alg": st.sampled_from(["HS256", "none", "ES256", 7]), "kid": st.none() | st.text(max_size=5)}
)


@given(claims=CLAIMS | st.lists(st.integers(), max_size=2), head=HEADS, other=st.text(max_size=60))
async def test_whatever_is_signed_is_somebody_or_nobody(claims: Any, head: Any, other: str) -> None:
    """Also by whoever knows the secret: an odd claim is a token that is rejected, not an error of the server's."""
    verifier = UserTokens(SECRET, None)
    unsigned = raw({"alg": "HS256"} | head, claims).removesuffix(".")
    signature = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), unsigned.encode(), "sha256")).decode()
    for token in (f"{unsigned}.{signature.rstrip('=')}", other):
        verified = await verifier.verify(token)
        assert isinstance(verified, Rejected) or verified.user_id == uuid.UUID(claims["sub"])


@pytest.mark.parametrize("expires", [10**11, 10**15, 10**18, 10**20])
async def test_a_token_that_never_expires_is_refused(expires: int) -> None:
    claims = {"sub": str(uuid.uuid4()), "aud": "authenticated", "exp": expires}
    verified = await UserTokens(SECRET, None).verify(jwt.encode(claims, SECRET, "HS256"))
    assert isinstance(verified, Rejected) or verified.expires_at.year < 9999
