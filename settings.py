"""Settings from the environment and `.env`, in one small class for each part of the system.

A command loads the parts that it needs (`load`) before it starts anything; a server checks all of them first (`check`).
If settings are missing or wrong, one `BadInput` names all of them in one line. The error never shows the value of a
secret.
"""

import base64
import binascii
import json
import re
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from addresses import SmtpServer, check_postgres, check_sender, read_smtp
from errors import BadInput
from payloads.keys import PLAIN, read_keys


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        readable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text quotes parts of the address
        readable = False
    if not readable:
        raise ValueError("must be an http:// or https:// address")
    return value.rstrip("/")


def _exact_http_url(value: str) -> str:
    _http_url(value)
    return value


def _postgres_url(value: str) -> str:
    check_postgres(value)
    return value


def _sendable(value: SecretStr) -> SecretStr:
    """Returns a token without the white space around it, such as the line end of a file. Raises `ValueError` if the
    token holds anything but visible ASCII characters.
    """
    token = value.get_secret_value().strip()
    if not re.fullmatch("[!-~]*", token):
        raise ValueError("must be visible characters of ASCII, without spaces between them")
    return SecretStr(token)


Token = Annotated[SecretStr, AfterValidator(_sendable)]
"""A token that an HTTP header can hold."""
HttpUrl = Annotated[str, AfterValidator(_http_url)]
ExactHttpUrl = Annotated[str, AfterValidator(_exact_http_url)]
"""An address that is used exactly as given, including a final slash."""
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]


class _Part(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, frozen=True
    )


class Log(_Part):
    """The format of logs. `LOG_FORMAT` is `json` for machines, or `console` for a terminal."""

    log_format: Literal["json", "console"] = "json"


class Database(_Part):
    """The addresses of Postgres. `DATABASE_URL` may lead through a transaction pooler. `DATABASE_DIRECT_URL` is used
    for migrations, LISTEN and locks. Without `DATABASE_DIRECT_URL`, `DATABASE_URL` is used for these, too.
    """

    database_url: PostgresUrl = Field(repr=False)
    database_direct_url: PostgresUrl | None = Field(default=None, repr=False)

    @property
    def direct_url(self) -> str:
        return self.database_direct_url or self.database_url


class GitHub(_Part):
    r"""The way to GitHub: tokens, a GitHub App or both, addresses, and the share of every account's hourly budget that
    backfills may use.

    `GITHUB_APP_PRIVATE_KEY` is the text of the PEM file; its line ends may be written as `\n`.
    `GITHUB_PROBE_SECONDS` is the time between probes while GitHub is down.
    """

    github_tokens: Annotated[tuple[Token, ...], NoDecode] = ()
    github_token: Token | None = None
    github_app_id: str | None = None
    github_app_private_key: SecretStr | None = None
    github_api_url: HttpUrl = "https://api.github.com"
    github_graphql_url: HttpUrl | None = None
    github_budget_share: float = Field(default=0.8, gt=0, le=1)
    github_probe_seconds: float = Field(default=60, gt=0, le=3600)

    @field_validator("github_tokens", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("github_app_id")
    @classmethod
    def _is_an_id(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"\d+|Iv[\w.]+", value, re.ASCII):
            raise ValueError("must be the App's id, a number, or its client id")
        return value

    @field_validator("github_app_private_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        # Imported here, because it takes memory that a process with tokens only does not need.
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        pem = value.get_secret_value().replace("\\n", "\n").strip()
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("must be the private key that GitHub made for the App, as its .pem file has it")
        return SecretStr(pem)

    @model_validator(mode="after")
    def _needs_a_credential(self) -> "GitHub":
        if self.github_app_id and not self.github_app_private_key:
            raise ValueError("GITHUB_APP_PRIVATE_KEY: missing, and GITHUB_APP_ID is set")
        if self.github_app_private_key and not self.github_app_id:
            raise ValueError("GITHUB_APP_ID: missing, and GITHUB_APP_PRIVATE_KEY is set")
        if not self.tokens and not self.app:
            raise ValueError("GITHUB_TOKENS (or GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY): missing")
        return self

    @property
    def tokens(self) -> tuple[str, ...]:
        if self.github_tokens:
            return tuple(token.get_secret_value() for token in self.github_tokens)
        token = self.github_token.get_secret_value() if self.github_token else ""
        return (token,) if token else ()

    @property
    def app(self) -> tuple[str, str] | None:
        """The id and the private key (PEM) of the GitHub App, or None if no App is set."""
        if self.github_app_id and self.github_app_private_key:
            return self.github_app_id, self.github_app_private_key.get_secret_value()
        return None

    @property
    def graphql_url(self) -> str:
        return self.github_graphql_url or f"{self.github_api_url}/graphql"


class Archive(_Part):
    """GH Archive. `GH_ARCHIVE_URL` is the base address of its hourly files. Without this address the archive is not
    read.
    """

    gh_archive_url: HttpUrl | None = None


class Embeddings(_Part):
    """OpenAI, or a compatible server. Without a key no embeddings are made.

    `EMBEDDING_DIMENSIONS` is the number of values in a vector. The column in the database has the same number.
    pgvector's index allows at most 2,000.
    """

    openai_api_key: SecretStr | None = None
    openai_base_url: HttpUrl = "https://api.openai.com/v1"
    embedding_model: str = Field(default="text-embedding-3-small", min_length=1, max_length=200)
    embedding_dimensions: int = Field(default=384, ge=1, le=2_000)

    @property
    def key(self) -> str | None:
        """The OpenAI key, or None if the key is missing or blank."""
        return (self.openai_api_key.get_secret_value().strip() or None) if self.openai_api_key else None


def _retention_products(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        products = json.loads(value)
    except ValueError:
        raise ValueError('must be JSON, e.g. {"product id": 365}') from None
    if not isinstance(products, dict) or not products:
        raise ValueError('must be a JSON object that is not empty, e.g. {"product id": 365}')
    for product, days in products.items():
        if type(days) is not int or not 1 <= days <= 36_500:
            raise ValueError(f"the days of product {product} must be a whole number from 1 to 36500")
    return products


RetentionProducts = Annotated[dict[str, int], NoDecode, BeforeValidator(_retention_products)]


class Polar(_Part):
    """Polar's webhooks and products. `POLAR_WEBHOOK_SECRET` is one secret, or several separated by commas.

    `POLAR_RETENTION_PRODUCTS` maps the id of a Polar product to the days of retention that the product buys.
    """

    polar_webhook_secret: SecretStr
    polar_retention_products: RetentionProducts


class PolarApi(_Part):
    """Polar's API. `POLAR_ACCESS_TOKEN` gives access to Polar's subscriptions. Without this token, add-ons are not
    reconciled with Polar.

    `POLAR_API_URL` may end in `/v1`.
    """

    polar_access_token: SecretStr | None = None
    polar_api_url: HttpUrl = "https://api.polar.sh"
    polar_retention_products: RetentionProducts = {}

    @model_validator(mode="after")
    def _needs_products(self) -> "PolarApi":
        if self.token and not self.polar_retention_products:
            raise ValueError("POLAR_RETENTION_PRODUCTS: missing, and POLAR_ACCESS_TOKEN is set")
        return self

    @property
    def token(self) -> str | None:
        """Polar's access token, or None if the token is missing or blank."""
        return (self.polar_access_token.get_secret_value().strip() or None) if self.polar_access_token else None


class Webhook(_Part):
    """The address that `webhook.py` listens on, and `METRICS_TOKEN`. If that token is set, a request for `/metrics`
    needs it as bearer token.
    """

    host: str = "0.0.0.0"  # nosec B104 # people reach it from outside
    port: int = Field(default=8080, ge=0, le=65_535)
    metrics_token: SecretStr | None = None

    @property
    def scrape_token(self) -> str | None:
        return _text(self.metrics_token)


class Metrics(_Part):
    """The address at which a worker serves Prometheus' metrics: `METRICS_HOST` and `METRICS_PORT`. Without a port a
    worker serves no metrics.
    """

    metrics_host: str = "0.0.0.0"  # nosec B104 # Prometheus comes from outside
    metrics_port: int | None = Field(default=None, ge=1, le=65_535)


class Traces(_Part):
    """The receiver of traces. Programs send their traces to `OTEL_EXPORTER_OTLP_ENDPOINT`. Without this address
    programs make no traces.

    OpenTelemetry reads its other variables itself, but only from the environment.
    """

    otel_exporter_otlp_endpoint: HttpUrl | None = None


def _origins(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    origins = tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.\[\]:-]+", origin):
            raise ValueError("must be origins like https://app.example.com, comma-separated, in lower case")
    return origins


Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)]


class Api(_Part):
    """The callers of the status API. Users have tokens of the host's Supabase project, and the service has a token of
    its own.

    `API_ALLOWED_ORIGINS` are the origins of pages that may call the API from a browser. `TRUSTED_PROXIES` are the
    networks of proxies whose header `X-Forwarded-For` is trusted. Both are lists separated by commas.
    """

    supabase_url: HttpUrl | None = None
    supabase_jwt_secret: SecretStr | None = None
    backfill_api_token: SecretStr | None = None
    api_allowed_origins: Origins = ()
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def jwt_secret(self) -> str | None:
        """The secret that signs the tokens of the host's Supabase project, or None if it is missing or blank."""
        return _text(self.supabase_jwt_secret)

    @property
    def service_token(self) -> str | None:
        """The bearer token of the service that calls the API, or None if the token is missing or blank."""
        return _text(self.backfill_api_token)


def _text(secret: SecretStr | None) -> str | None:
    return (secret.get_secret_value().strip() or None) if secret else None


def _smtp_url(value: str) -> str:
    read_smtp(value)
    return value


def _mail_from(value: str) -> str:
    check_sender(value)
    return value


class Mail(_Part):
    """The mail server (`SMTP_URL`) and the sender's address (`MAIL_FROM`). Without a server no e-mails are sent.

    `PUBLIC_URL` is the public address of the settings page. E-mails link to it.
    """

    smtp_url: Annotated[str, AfterValidator(_smtp_url)] | None = Field(default=None, repr=False)
    mail_from: Annotated[str, AfterValidator(_mail_from)] | None = None
    public_url: HttpUrl | None = None

    @model_validator(mode="after")
    def _needs_a_sender(self) -> "Mail":
        if self.smtp_url and not self.mail_from:
            raise ValueError("MAIL_FROM: missing, and SMTP_URL is set")
        return self

    @property
    def server(self) -> SmtpServer | None:
        return read_smtp(self.smtp_url) if self.smtp_url else None


SECRET_BYTES = 16
"""Least length of a secret: 128 bits. Standard Webhooks recommends 24 bytes or more."""


class Notify(_Part):
    """The host's webhook. `NOTIFY_URL` is called at the beginning and the end of each job, with a signature by
    `NOTIFY_SECRET`. Without `NOTIFY_URL` nothing is sent.

    `NOTIFY_SECRET` may be several secrets separated by commas. Each of them gives a signature. `NOTIFY_ALLOW_PRIVATE`
    allows `http://` and addresses outside the public Internet.
    """

    notify_url: ExactHttpUrl | None = Field(default=None, repr=False)
    notify_secret: SecretStr | None = None
    notify_allow_private: bool = False

    @field_validator("notify_secret")
    @classmethod
    def _is_a_secret(cls, value: SecretStr | None) -> SecretStr | None:
        for each in _split(value):
            text = each.removeprefix("whsec_")
            try:
                key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if len(key) < SECRET_BYTES:
                raise ValueError(f"must be whsec_ and at least {SECRET_BYTES} random bytes in base64")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> "Notify":
        if self.notify_url is None:
            return self
        if not self.secrets:
            raise ValueError("NOTIFY_SECRET: missing, and NOTIFY_URL is set")
        if not self.notify_allow_private and urlsplit(self.notify_url).scheme != "https":
            raise ValueError("NOTIFY_URL: must be an https:// address, unless NOTIFY_ALLOW_PRIVATE is true")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        return _split(self.notify_secret)


def _split(value: SecretStr | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.get_secret_value().split(",") if part.strip()) if value else ()


WorkerQueue = Literal["workflows", "recent", "historical"]
"""Workers of `workflows` run workflows and the activities that record their decisions; those of `recent` and
`historical` run the sweeps of these legs."""
WORKER_QUEUES: tuple[WorkerQueue, ...] = get_args(WorkerQueue)


class Worker(_Part):
    """The task queues that a worker polls, its limits, and the pace of the jobs that it starts."""

    worker_queues: Annotated[tuple[WorkerQueue, ...], NoDecode] = WORKER_QUEUES

    heartbeat_timeout_seconds: float = Field(default=60, ge=2, le=3600)
    slice_seconds: float = Field(default=60, gt=0, le=3600)
    slice_pages: int = Field(default=20, ge=1, le=10_000)
    repositories_at_once: int = Field(default=10, ge=1, le=200)
    worker_patience_seconds: float = Field(default=30, ge=1, le=3600)
    temporal_silence_seconds: float = Field(default=600, ge=1, le=86_400)
    activities_at_once: int = Field(default=20, ge=1, le=200)
    shutdown_seconds: float = Field(default=25, ge=0, le=3600)
    deletions_confirmed_after_seconds: float = Field(default=600, ge=0, le=86_400)

    @field_validator("worker_queues", mode="before")
    @classmethod
    def _queues(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        queues = {part.strip() for part in value.split(",")} - {""}
        if not queues or not queues <= {*WORKER_QUEUES}:
            raise ValueError(f"must be one or more of {', '.join(WORKER_QUEUES)}, comma-separated")
        return tuple(each for each in WORKER_QUEUES if each in queues)


class Versioning(_Part):
    """Temporal's Worker Versioning: the name of the deployment, and this worker's build. If both are missing, the
    worker is not versioned. If only one is missing, that is an error.
    """

    temporal_deployment_name: str | None = None
    temporal_worker_build_id: str | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Versioning":
        if self.temporal_deployment_name and not self.temporal_worker_build_id:
            raise ValueError("TEMPORAL_WORKER_BUILD_ID: missing, and TEMPORAL_DEPLOYMENT_NAME is set")
        if self.temporal_worker_build_id and not self.temporal_deployment_name:
            raise ValueError("TEMPORAL_DEPLOYMENT_NAME: missing, and TEMPORAL_WORKER_BUILD_ID is set")
        return self


class Payloads(_Part):
    """The encryption of Temporal's payloads. The setting has the form `id:key,id:key`, and each key is 32 bytes in
    base64.

    The first key encrypts, and all keys decrypt. If the word `plain` comes first, nothing is encrypted, and the keys
    only decrypt.
    """

    temporal_payload_keys: SecretStr | None = None

    @field_validator("temporal_payload_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if text := _text(value):
            read_keys(text)
        return value

    @property
    def keys(self) -> dict[str, bytes]:
        text = _text(self.temporal_payload_keys)
        return {name: key for name, key in read_keys(text).items() if name != PLAIN} if text else {}

    @property
    def encrypts_with(self) -> str | None:
        """The id of the key that encrypts, or None if nothing is encrypted."""
        text = _text(self.temporal_payload_keys)
        first = next(iter(read_keys(text))) if text else PLAIN
        return None if first == PLAIN else first

    @property
    def secrets(self) -> list[str]:
        """The values that must not appear in logs."""
        text = _text(self.temporal_payload_keys) or ""
        return [text, *(base64.b64encode(key).decode() for key in self.keys.values())]


class CodecServer(_Part):
    """The callers for whom the codec server decrypts payloads over HTTP. If neither `CODEC_SERVER_TOKEN` nor
    `CODEC_JWKS_URL` is set, there is no codec server.

    `CODEC_SERVER_TOKEN` is a bearer token of your choice, for programs. The other settings are for people who sign in
    to Temporal's Web UI. `CODEC_JWKS_URL` lists the keys that sign their tokens. `CODEC_JWT_AUDIENCE` is the audience
    of these tokens. `CODEC_READERS` are the people who may read payloads, by `sub` or `email`. `CODEC_ALLOWED_ORIGINS`
    are the Web UI's origins.
    """

    codec_server_token: Annotated[SecretStr, Field(min_length=16)] | None = None
    codec_jwks_url: HttpUrl | None = None
    codec_jwt_audience: str | None = None
    codec_readers: Annotated[tuple[str, ...], NoDecode] = ()
    codec_allowed_origins: Origins = ()
    temporal_payload_keys: SecretStr | None = None

    @field_validator("codec_readers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_whole(self) -> "CodecServer":
        if self.codec_jwks_url and not (self.codec_jwt_audience and self.codec_readers):
            raise ValueError("CODEC_JWT_AUDIENCE, CODEC_READERS: both are needed, and CODEC_JWKS_URL is set")
        if self.wanted and not _text(self.temporal_payload_keys):
            raise ValueError("TEMPORAL_PAYLOAD_KEYS: missing, and the codec server is set up (CODEC_SERVER_TOKEN, ...)")
        return self

    @property
    def token(self) -> str | None:
        return _text(self.codec_server_token)

    @property
    def wanted(self) -> bool:
        return self.token is not None or self.codec_jwks_url is not None


class Temporal(_Part):
    """Those settings of Temporal that `temporalio.envconfig` does not know. All other variables `TEMPORAL_*` are read
    by `temporalio.envconfig`, or belong to other classes here.
    """

    temporal_task_queue: str = Field(default="workspace-backfill", min_length=1)


PartT = TypeVar("PartT", bound=_Part)


def load(part: type[PartT]) -> PartT:
    """Returns the settings of one part. If some are missing or wrong, raises one `BadInput` that names all of them in
    one line, without their values.
    """
    try:
        return part()
    except UnicodeDecodeError:
        raise BadInput(".env", "is no text in UTF-8") from None
    except ValidationError as error:
        raise _bad_input(_problems(error)) from None


def check(*parts: type[_Part]) -> None:
    """Raises one `BadInput` for all settings of these parts that are missing or wrong, as `load` does for one part. A
    program calls it first, so that nobody has to start it once for each part.
    """
    problems: list[str] = []
    for part in parts:
        try:
            part()
        except UnicodeDecodeError:
            raise BadInput(".env", "is no text in UTF-8") from None
        except ValidationError as error:
            problems += _problems(error)
    if problems:
        raise _bad_input(list(dict.fromkeys(problems)))


def _problems(error: ValidationError) -> list[str]:
    problems = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else ""
        text = "missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        problems.append(f"{name}: {text}" if name else text)
    return problems


def _bad_input(problems: list[str]) -> BadInput:
    name, _, text = "; ".join(problems).partition(": ")
    return BadInput(name, text)
