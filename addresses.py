"""Checks server addresses in settings: whether an address can be parsed in one way only, and which of its parts may be
shown.

A password may hold any character, and a character that is not percent-encoded can shift the parts of the address. An
example is `postgresql://u:pa/ss@host/db`: a parser takes `u` for the host, `pa` for the port and `ss@host/db` for the
database. The parser then quotes these parts in its errors. So an address is accepted only if no part of its password
can be taken for something else.
"""

import re
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Literal, NamedTuple, get_args
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_HOSTS = re.compile(r"(?:(?:\[[0-9A-Za-z:.%]*\]|[^\[\]:,]*)(?::[0-9]{1,5})?(?:,|$))+")
_PARAMETERS = frozenset(
    [
        "host",
        "port",
        "dbname",
        "database",
        "user",
        "password",
        "passfile",
        "service",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslrootcert",
        "sslcrl",
        "sslpassword",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "target_session_attrs",
        "krbsrvname",
        "gsslib",
        "options",
        "application_name",
        "search_path",
        "statement_timeout",
    ]
)


def check_postgres(url: str) -> None:
    """Checks that `url` is a Postgres address in which no part of the password can be taken for something else. Raises
    `ValueError` otherwise. The error's message holds no part of the address.
    """
    _parts(url)


def show_postgres(url: str) -> str:
    """Returns host, port and database of an address, to be shown to people. Anything that may belong to a password is
    left out. If the address cannot be read, returns a text that says so.
    """
    try:
        parts = _parts(url)
    except ValueError:
        return "(an address that cannot be read)"
    hosts = parts.netloc.rpartition("@")[2] or "localhost"
    return f"{hosts}{'' if re.search(r':[0-9]+$', hosts) else ':5432'}{parts.path}"


def _parts(url: str) -> SplitResult:
    if not url.lstrip().startswith(("postgres://", "postgresql://")):
        raise ValueError("must start with postgresql://")
    try:
        parts = urlsplit(url)
        parameters = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        # Its text quotes what it could not read. `from None`: tracebacks show what an error was raised from.
        raise _unreadable() from None
    authority = parts.netloc.count("@")
    certain = (
        authority <= 1
        and url.count("@") == authority
        and "#" not in url
        and _HOSTS.fullmatch(parts.netloc.rpartition("@")[2])
        # An unescaped `&` in a password that is a parameter makes a parameter of what follows it.
        and ("password" not in parameters or parameters.keys() <= _PARAMETERS)
    )
    if not certain:
        raise _unreadable()
    return parts


Tls = Literal["implicit", "required", "if_offered", "never"]


class SmtpServer(NamedTuple):
    """A mail server. `tls` says how its connections are encrypted:

    - `implicit`: from the first byte.
    - `required`: by STARTTLS. Sending fails if the server does not offer STARTTLS.
    - `if_offered`: by STARTTLS, or not at all if the server does not offer STARTTLS.
    - `never`: not at all.
    """

    host: str
    port: int
    user: str | None
    password: str | None
    tls: Tls


def read_smtp(url: str) -> SmtpServer:
    """Returns the mail server in `smtp[s]://[user:password@]host[:port][?starttls=required|if_offered|never]`.

    If the address has a password, `required` is the default of `starttls`, so that the password is sent over TLS only.
    Raises `ValueError` if the address cannot be read. The error's message holds no part of `url`.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
        options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        raise _no_smtp() from None
    certain = url.count("@") <= 1 and "#" not in url and parts.path in ("", "/")
    if parts.scheme not in ("smtp", "smtps") or not host or not certain or port == 0 or options.keys() - {"starttls"}:
        raise _no_smtp()
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    if bool(user) != bool(password):
        raise ValueError("must have both a user and a password, or neither")
    if parts.scheme == "smtps":
        return SmtpServer(host, port or 465, user, password, "implicit")
    [asked] = options.get("starttls", ["required" if user else "if_offered"])
    tls: Tls
    for tls in get_args(Tls)[1:]:
        if tls == asked:
            return SmtpServer(host, port or (587 if user else 25), user, password, tls)
    raise ValueError("starttls must be required, if_offered or never")


def check_sender(text: str) -> None:
    """Checks that `text` is one e-mail address, with or without a name. Raises `ValueError` otherwise. The error's
    message holds no part of `text`.
    """
    try:
        name, address = parseaddr(text)
        Address(display_name=name, addr_spec=address)
    except (MessageError, ValueError, IndexError):
        address = ""
    if "@" not in address or not text.isprintable():
        raise ValueError("must be an e-mail address, as backfill@example.com or Backfill <backfill@example.com>")


def _no_smtp() -> ValueError:
    return ValueError(
        "must be smtp://user:password@host:587 or smtps://user:password@host:465, with / ? # @ : [ ] % & of user and "
        "password percent-encoded"
    )


def _unreadable() -> ValueError:
    return ValueError(
        "is not an address that Postgres understands. In its user and password each of / ? # @ : [ ] % & must be "
        "percent-encoded: %2F %3F %23 %40 %3A %5B %5D %25 %26"
    )
