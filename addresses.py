"""Postgres' address in `DATABASE_URL`: whether it can be read for certain, and what of it may be shown.

A password may hold any character, and one that is not percent-encoded moves the borders of the address: after
`postgresql://u:pa/ss@host/db` a parser takes `u` for the host, `pa` for its port and `ss@host/db` for the database, and
quotes them in its errors. So an address is parsed only if nothing of its password can stand outside of the password.
"""

import re
from urllib.parse import SplitResult, parse_qs, urlsplit

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
    """Raises `ValueError`, without any part of `url`, unless it is an address whose borders are certain."""
    _parts(url)


def show_postgres(url: str) -> str:
    """Host, port and database, for people; nothing of what may be a password."""
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


def _unreadable() -> ValueError:
    return ValueError(
        "is not an address that Postgres understands. In its user and password each of / ? # @ : [ ] % & must be "
        "percent-encoded: %2F %3F %23 %40 %3A %5B %5D %25 %26"
    )
