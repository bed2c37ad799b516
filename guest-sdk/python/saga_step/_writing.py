"""From values of a step's own types to plain ones, which JSON can write. Says what cannot be written, and where.

It goes by what a value is, not by what a hint says it should be: a hint is a promise of the author's, and nobody keeps
it at run time.
"""

import dataclasses
import datetime
import enum
import math
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from saga_step import _jsontext
from saga_step.identifier import Id
from saga_step.members import name_of

_AS_IT_IS = (str, int, bool, type(None))

_writers: dict[type, Callable[[Any], Any]] = {}


class _NotWritable(Exception):
    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path: list[str] = []


def plain(value: Any, what: str) -> Any:
    """A copy of the value made of plain ones. `what` names it in the words of a failure."""
    try:
        return _plain(value)
    except _NotWritable as error:
        where = f" at /{'/'.join(reversed(error.path))}" if error.path else ""
        raise TypeError(f"{what} cannot be written as JSON{where}: {error.what}") from None
    except RecursionError:
        raise ValueError(f"{what} cannot be written as JSON: it is nested too deeply, or holds itself") from None


def text(value: Any, what: str) -> str:
    """The value as one JSON text. `what` names it in the words of a failure."""
    if isinstance(value, _jsontext.Kept):
        return value.text
    return _jsontext.write(plain(value, what))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    writer = _writers.get(kind)
    if writer is None:
        writer = _writers[kind] = _writer_of(kind)
    return writer(value)


def _writer_of(kind: type) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(kind):
        return _dataclass_writer(kind)
    for known, writer in _KINDS:
        if issubclass(kind, known):
            return writer
    raise _NotWritable(
        f"a value of type {kind.__name__} has no place in JSON; make it a dataclass, a dict, a list, a text or a number"
    )


def _object(value: Mapping[Any, Any]) -> dict[str, Any]:
    out = {}
    for key, inner in value.items():
        name = _key(key)
        try:
            out[name] = _plain(inner)
        except _NotWritable as error:
            error.path.append(name)
            raise
    return out


def _key(key: Any) -> str:
    if type(key) is str:
        return key
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    raise _NotWritable(f"the key {key!r} is of type {type(key).__name__}; the keys of an object are texts")


def _list(value: Any) -> list[Any]:
    out = []
    for index, inner in enumerate(value):
        try:
            out.append(_plain(inner))
        except _NotWritable as error:
            error.path.append(str(index))
            raise
    return out


def _dataclass_writer(kind: Any) -> Callable[[Any], Any]:
    """Members by the names of their hints. One whose default is None and that is None is left out."""
    fields = []
    for field in dataclasses.fields(kind):
        fields.append((field.name, name_of(kind, field.name), field.default is None))

    def write(value: Any) -> dict[str, Any]:
        out = {}
        for attribute, name, may_be_left_out in fields:
            inner = getattr(value, attribute)
            if inner is None and may_be_left_out:
                continue
            try:
                out[name] = _plain(inner)
            except _NotWritable as error:
                error.path.append(name)
                raise
        return out

    return write


def _decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise _NotWritable(f"{value} is no number of JSON")
    return value if type(value) is Decimal else Decimal(value)


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise _NotWritable(f"{value} is no number of JSON")
    return float(value)


_KINDS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (Id, lambda value: value.plain),
    (enum.Enum, lambda value: _plain(value.value)),
    (_jsontext.Digits, lambda value: value),
    (_jsontext.Kept, lambda value: _jsontext.read(value.text)),
    (str, str.__str__),
    (Decimal, _decimal),
    (int, int),
    (float, _float),
    (Mapping, _object),
    ((list, tuple), _list),
    ((datetime.datetime, datetime.date), lambda value: value.isoformat()),
    (uuid.UUID, str),
)
