"""Guards the mapping of answers to rows. If an answer lacks something that GitHub documents, `TooLarge` is raised, and
no row is made from the answer.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache, wraps
from operator import attrgetter
from pathlib import Path
from traceback import extract_tb
from types import UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import structlog

from errors import TooLarge
from ranges import Range

log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
Check = Callable[[Any], bool]
ANY_NUMBER = Range(-(2**63), 2**63 - 1)
"""Whole numbers that Postgres stores."""
_PLAIN = frozenset({str, bool, int, float, datetime, None, type(None)})
"""Types that hold no others."""


def mapped(read: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorates a function that sends a request and maps the answer. The decorated function raises `TooLarge`
    (unreadable) if the answer cannot be mapped, or if a value in its result is not of the declared type. The error is
    `TooLarge` because a smaller request may leave out the unreadable item.
    """

    @wraps(read)
    async def reader(*args: P.args, **kwargs: P.kwargs) -> T:
        with mapping(read.__name__):
            result = await read(*args, **kwargs)
            if not _check_of_result(read)(result):
                raise TypeError(f"{str(result)[:80]!r} is not what it returns")
        return result

    return reader


def mapped_or_none(what: str, read: Callable[[], T]) -> T | None:
    """Returns the named tuple that `read` makes from one item of a list. Returns None if the item cannot be mapped, so
    that the caller can still use the other items. `what` names the item in the log.
    """
    try:
        with mapping(what):
            row = read()
            check(row)
            return row
    except TooLarge:
        return None


@contextmanager
def mapping(what: str) -> Iterator[None]:
    """Context manager for code that maps an answer. Python's errors for a missing field or a value of another type,
    such as `KeyError` and `TypeError`, become `TooLarge` (unreadable). `what` names the request in the message.
    """
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        at = extract_tb(error.__traceback__)[-1]
        words = f"GitHub's answer to {what} cannot be read: {type(error).__name__}: {error}"
        log.warning("unreadable answer", why=words[:500], line=f"{Path(at.filename).name}:{at.lineno}")
        raise TooLarge("unreadable", words[:500]) from error


def check(record: Any) -> None:
    """Raises `TypeError` with the field's name if a field of this dataclass or named tuple, or of a record in one of
    its fields, is not of its declared type or not within its bounds (`ranges`).
    """
    kind: Any = type(record)
    _check_of(kind)(record)


@cache
def _check_of_result(read: Callable[..., Any]) -> Check:
    return _check_of(get_type_hints(read, include_extras=True)["return"])


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Returns the declared types of the fields of a dataclass or a named tuple, by field name. Returns an empty mapping
    for any other class.
    """
    if not is_dataclass(kind) and not hasattr(kind, "_fields"):
        return {}
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else list(kind._fields)
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in names}


@cache
def _check_of(hint: Any) -> Check:
    """Returns a function that tells whether a value is of the type `hint`. The function raises `TypeError` with the
    field's name if a field of a dataclass or of a named tuple has a wrong type.
    """
    origin, inner = get_origin(hint), [each for each in get_args(hint) if each is not Ellipsis]
    if hint is Any:
        return lambda value: True  # noqa: ARG005
    if origin in (Union, UnionType):
        ways = [_check_of(each) for each in inner if each is not type(None)]
        if len(ways) == 1 and len(inner) == 2:
            [way] = ways
            return lambda value: value is None or way(value)
        return lambda value: any(way(value) for way in ways) or (value is None and len(ways) < len(inner))
    if origin is Literal:
        return lambda value: value in inner
    if origin is dict:
        of_key, of_value = map(_check_of, inner)
        return lambda value: isinstance(value, dict) and all(of_key(k) and of_value(v) for k, v in value.items())
    if origin is tuple and Ellipsis not in get_args(hint):
        checks = [_check_of(each) for each in inner]
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(checks)
            and all(check(each) for check, each in zip(checks, value, strict=True))
        )
    if origin is not None and inner and isinstance(origin, type) and issubclass(origin, list | tuple | frozenset):
        if inner[0] is str:
            return lambda value: isinstance(value, origin) and {str}.issuperset(map(type, value))
        of_each = _check_of(inner[0])
        return lambda value: isinstance(value, origin) and all(map(of_each, value))
    if origin is Annotated and (bounds := _bounds_of(hint)) is not None:
        kind = inner[0]
        return lambda value: type(value) is kind and _is_within(value, bounds)
    if hint is int:
        return lambda value: type(value) is int and _is_within(value, ANY_NUMBER)
    if hint is float:
        return lambda value: type(value) in (int, float)
    if hint is datetime:
        return lambda value: isinstance(value, datetime) and value.tzinfo is not None
    if hint is None:
        return lambda value: value is None
    record: Any = origin or hint
    return _Record(record) if _hints(record) else lambda value: isinstance(value, record)


def _bounds_of(hint: Any) -> Range | None:
    """Returns the bounds of a type, or of the one type with bounds in a union. A number without bounds of its own has
    those of Postgres. Returns None if the type has no bounds.
    """
    if get_origin(hint) is Annotated:
        return next((each for each in hint.__metadata__ if isinstance(each, Range)), None)
    if get_origin(hint) in (Union, UnionType):
        return next((bounds for each in get_args(hint) if (bounds := _bounds_of(each)) is not None), None)
    return ANY_NUMBER if hint is int else None


def _is_within(value: int | str, bounds: Range) -> bool:
    return bounds.low <= (value if isinstance(value, int) else len(value)) <= bounds.high


class _Record:
    """Tells whether a value is an instance of a dataclass or a named tuple, and whether all its fields have their
    declared types. Raises `TypeError` with the field's name for a wrong field.

    Because an answer holds many records, a combination of plain types that was right once is remembered. If another
    record has the same combination, only its bounds (`ranges`) and the time zone of its moments are checked.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        hints = _hints(kind)
        self._plain = [name for name, hint in hints.items() if _alternatives(hint) <= _PLAIN]
        self._bounds = [_bounds_of(hints[name]) for name in self._plain]
        self._checks = {name: _check_of(hint) for name, hint in hints.items()}
        self._others = [name for name, hint in hints.items() if name not in self._plain and hint is not Any]
        self._values = _getter(self._plain)
        self._right: dict[tuple[type, ...], tuple[list[tuple[int, Range]], list[int]]] = {}
        """Types that were right, each with the places that have bounds, and with the places of its moments."""

    def __call__(self, value: Any) -> bool:
        if not isinstance(value, self._kind):
            return False
        values = self._values(value)
        types = tuple(map(type, values))
        bounded = self._right.get(types)
        if bounded is None:
            self._verify(value, self._plain)
            bounded = self._right[types] = (self._bounded(types), _places(types, datetime))
        bounds, moments = bounded
        for place, each in bounds:
            if not _is_within(values[place], each):
                self._verify(value, [self._plain[place]])
        for place in moments:
            if values[place].tzinfo is None:
                self._verify(value, [self._plain[place]])
        if self._others:
            self._verify(value, self._others)
        return True

    def _bounded(self, types: Sequence[type]) -> list[tuple[int, Range]]:
        return [
            (place, bounds)
            for place, bounds in enumerate(self._bounds)
            if bounds is not None and types[place] in (int, str)
        ]

    def _verify(self, value: Any, names: Sequence[str]) -> None:
        for name in names:
            if not self._checks[name](field := getattr(value, name)):
                raise TypeError(f"{name} of {self._kind.__name__} is {str(field)[:80]!r}")


def _places(types: Sequence[type], kind: type) -> list[int]:
    return [place for place, each in enumerate(types) if each is kind]


def _alternatives(hint: Any) -> frozenset[Any]:
    """Returns the types that a union consists of, without their bounds. Returns the type of `hint` alone if `hint` is
    not a union.
    """
    each = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return frozenset(get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in each)


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Returns a function that returns the values of these fields of a record, as a tuple."""
    if len(names) < 2:
        return lambda value: tuple(getattr(value, name) for name in names)
    return attrgetter(*names)
