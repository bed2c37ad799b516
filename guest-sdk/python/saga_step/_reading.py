"""From plain values to a step's own types, by their hints. A reader is made once for each hint, when the step is made.

A value that is not what its hint says is `NotReadable`, with the place where it stands. A hint that no value of JSON
can fit is a mistake of the author's, told when the step is made: `TypeError`.
"""

import dataclasses
import datetime
import enum
import functools
import types
import typing
import uuid
from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any, Union

from saga_step import _jsontext
from saga_step._jsontext import NotReadable
from saga_step.identifier import Id
from saga_step.members import hints_of, name_of

Reader = Callable[[Any], Any]

# Characters of a value that a failure shows.
_SHOWN_MAX = 40


def read(hint: Any, text: str) -> Any:
    """The value that a JSON text is, as the hint has it."""
    kept = kept_as(hint)
    return kept(text) if kept else reader(hint)(_jsontext.read(text))


def kept_as(hint: Any) -> type[_jsontext.Kept] | None:
    """The class of a hint that wants the text as it is, also where it may be None."""
    is_union = typing.get_origin(hint) in (Union, types.UnionType)
    for kind in typing.get_args(hint) if is_union else (hint,):
        if isinstance(kind, type) and issubclass(kind, _jsontext.Kept):
            return kind
    return None


def is_plain(hint: Any) -> bool:
    """Whether values of this hint are the plain ones, as they were read."""
    return hint in (Any, object, dict, list) or hint in (dict[str, Any], dict[str, object], list[Any])


@functools.cache
def reader(hint: Any) -> Reader:
    """What reads a plain value as the hint has it."""
    if hint in (Any, object):
        return lambda value: value
    for known, make in _READERS.items():
        if hint is known:
            return make
    if hint is None or hint is type(None):
        return _null
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return reader(typing.get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return _union(typing.get_args(hint))
    if origin is typing.Literal:
        return _one_of(typing.get_args(hint))
    return _container(hint, origin or hint, typing.get_args(hint)) or _class(hint)


def _container(hint: Any, origin: Any, arguments: tuple[Any, ...]) -> Reader | None:
    if not isinstance(origin, type) or typing.is_typeddict(origin):
        return None
    if origin is tuple:
        if len(arguments) != 2 or arguments[1] is not Ellipsis:
            raise TypeError(f"{hint} cannot be read from JSON; a tuple has any number of one type: tuple[X, ...]")
        return _list_of(reader(arguments[0]), tuple)
    if issubclass(list, origin):
        return _list_of(reader(arguments[0] if arguments else Any), list)
    if issubclass(dict, origin):
        if arguments and not (isinstance(arguments[0], type) and issubclass(arguments[0], str)):
            raise TypeError(f"{hint} cannot be read from JSON; the keys of an object are texts: dict[str, X]")
        return _dict_of(reader(arguments[1] if arguments else Any))
    return None


def _class(hint: Any) -> Reader:
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint):
            return _recursive(hint, _dataclass)
        if typing.is_typeddict(hint):
            return _recursive(hint, _typed_dict)
        if issubclass(hint, enum.Enum):
            return _enum(hint)
        if issubclass(hint, _jsontext.Kept):
            return lambda value: hint(_jsontext.write(value))
    raise TypeError(
        f"{hint} cannot be read from JSON; use a dataclass, dict, list, str, int, bool, float, Decimal, Id, an Enum, "
        "datetime, date, UUID, Document, or Any"
    )


def wanted(what: str, value: Any) -> NotReadable:
    """That a value is not what it should be."""
    if type(value) is dict or type(value) is list:
        shown = "an object" if type(value) is dict else "a list"
    else:
        shown = _jsontext.write(value)
    if len(shown) > _SHOWN_MAX:
        shown = f"{shown[:_SHOWN_MAX]}…"
    return NotReadable(f"{what} is expected, not {shown}")


def _null(value: Any) -> None:
    if value is not None:
        raise wanted("null", value)


def _bool(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise wanted("true or false", value)


def _int(value: Any) -> int:
    if type(value) is int:
        return value
    raise wanted("a whole number", value)


def _str(value: Any) -> str:
    if type(value) is str:
        return value
    raise wanted("a text", value)


def _float(value: Any) -> float:
    if type(value) is int or type(value) is Decimal:
        try:
            return float(value)
        except OverflowError:
            pass
    raise wanted("a number", value)


def _decimal(value: Any) -> Decimal:
    kind = type(value)
    if kind is Decimal:
        return typing.cast(Decimal, value)
    try:
        if kind is int:
            return Decimal(value)
        if kind is str:
            number = Decimal(value)
            # Spaces and underscores, which Decimal passes over, are in no number of anybody else's.
            if number.is_finite() and not set(value) - set("+-.0123456789eE"):
                return number
    except DecimalException:
        pass
    raise wanted("a decimal number", value)


def _id(value: Any) -> Id:
    if (type(value) is str and value) or type(value) is int:
        return Id(value)
    raise wanted("an identifier, which is a text or a whole number,", value)


def _moment(value: Any) -> datetime.datetime:
    try:
        # Before 3.11 the letter for UTC is not read.
        return datetime.datetime.fromisoformat(_str(value).replace("Z", "+00:00"))
    except ValueError:
        raise wanted("a moment such as 2030-01-01T00:00:00Z", value) from None


def _day(value: Any) -> datetime.date:
    try:
        return datetime.date.fromisoformat(_str(value))
    except ValueError:
        raise wanted("a day such as 2030-01-01", value) from None


def _uuid(value: Any) -> uuid.UUID:
    try:
        return uuid.UUID(_str(value))
    except ValueError:
        raise wanted("a UUID", value) from None


_READERS: dict[Any, Reader] = {
    bool: _bool,
    int: _int,
    str: _str,
    float: _float,
    Decimal: _decimal,
    Id: _id,
    datetime.datetime: _moment,
    datetime.date: _day,
    uuid.UUID: _uuid,
}


def _list_of(element: Reader, kind: Callable[[list[Any]], Any]) -> Reader:
    def take(value: Any) -> Any:
        if type(value) is not list:
            raise wanted("a list", value)
        out = []
        for index, inner in enumerate(value):
            try:
                out.append(element(inner))
            except NotReadable as error:
                error.inside(index)
                raise
        return out if kind is list else kind(out)

    return take


def _dict_of(element: Reader) -> Reader:
    def take(value: Any) -> Any:
        if type(value) is not dict:
            raise wanted("an object", value)
        out = {}
        for key, inner in value.items():
            try:
                out[key] = element(inner)
            except NotReadable as error:
                error.inside(key)
                raise
        return out

    return take


def _union(hints: tuple[Any, ...]) -> Reader:
    """The first that can be read, in the order of the hint; null only where None is among them."""
    readers = [reader(hint) for hint in hints if hint is not type(None)]
    takes_null = len(readers) < len(hints)
    if takes_null and len(readers) == 1:
        only = readers[0]
        return lambda value: None if value is None else only(value)

    def take(value: Any) -> Any:
        if value is None and takes_null:
            return None
        failures = []
        for read_one in readers:
            try:
                return read_one(value)
            except NotReadable as error:
                failures.append(str(error))
        raise NotReadable("none of its types fits: " + "; ".join(failures))

    return take


def _one_of(allowed: tuple[Any, ...]) -> Reader:
    words = ", ".join(_jsontext.write(value) for value in allowed)

    def take(value: Any) -> Any:
        for known in allowed:
            if type(value) is type(known) and value == known:
                return known
        raise wanted(f"one of {words}", value)

    return take


def _enum(kind: type[enum.Enum]) -> Reader:
    by_value = {(type(member.value), member.value): member for member in kind}
    words = ", ".join(str(member.value) for member in kind)

    def take(value: Any) -> enum.Enum:
        # The type is part of it: true is equal to 1 in Python, and to nothing else in JSON.
        found = by_value.get((type(value), value)) if type(value) in (str, int) else None
        if found is None:
            raise wanted(f"one of {words}", value)
        return found

    return take


def _recursive(kind: Any, make: Callable[[Any], Reader]) -> Reader:
    """A class may hold itself: its reader is made when the first value comes, or by the check of the whole type."""
    made = _classes.get(kind)
    if made is not None:
        return made
    later: list[Reader] = []
    _classes[kind] = lambda value: later[0](value)
    try:
        later.append(make(kind))
    except BaseException:
        del _classes[kind]
        raise
    _classes[kind] = later[0]
    return later[0]


_classes: dict[Any, Reader] = {}


def _dataclass(kind: Any) -> Reader:
    plan = []
    hints = _hints(kind)
    for field in dataclasses.fields(kind):
        if field.init:
            is_needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            plan.append((name_of(kind, field.name), field.name, reader(hints[field.name]), is_needed))

    def take(value: Any) -> Any:
        if type(value) is not dict:
            raise wanted("an object", value)
        members = {}
        for name, attribute, read_one, is_needed in plan:
            try:
                found = value[name]
            except KeyError:
                if is_needed:
                    raise NotReadable(f"member {_jsontext.write(name)} is missing") from None
                continue
            try:
                members[attribute] = read_one(found)
            except NotReadable as error:
                error.inside(name)
                raise
        try:
            return kind(**members)
        except ValueError as error:
            # What a __post_init__ refuses is no value of the type.
            raise NotReadable(str(error)) from error

    return take


def _typed_dict(kind: Any) -> Reader:
    """A dict that keeps members it does not name."""
    readers = {}
    for name, hint in _hints(kind).items():
        while typing.get_origin(hint) is not None and getattr(typing.get_origin(hint), "_name", "") in _QUALIFIERS:
            hint = typing.get_args(hint)[0]
        readers[name] = reader(hint)
    needed = kind.__required_keys__

    def take(value: Any) -> Any:
        if type(value) is not dict:
            raise wanted("an object", value)
        out = dict(value)
        for name, read_one in readers.items():
            if name in value:
                try:
                    out[name] = read_one(value[name])
                except NotReadable as error:
                    error.inside(name)
                    raise
            elif name in needed:
                raise NotReadable(f"member {_jsontext.write(name)} is missing")
        return out

    return take


_QUALIFIERS = ("Required", "NotRequired", "ReadOnly")


def _hints(kind: Any) -> dict[str, Any]:
    try:
        return hints_of(kind)
    except NameError as error:
        raise TypeError(
            f"a hint of {kind.__qualname__} is not known: {error}; types of bodies stand at the top of a module, and "
            "are imported there"
        ) from None
