"""From JSON text to plain values of Python and back, exactly: whole numbers and decimals of any length keep their
digits.

Plain values are what JSON has: dict, list, str, bool, None, int, float, Decimal for numbers that came with a point or
an exponent, and `Digits`. Knows nothing of steps or their types.
"""

import json
import re
from decimal import Decimal, DecimalException
from json.encoder import encode_basestring
from typing import Any, NoReturn

# Numbers of this size are written without an exponent, as the SDKs of the other languages do.
_EXPONENT_MAX = 38
# How deep a text may be nested. What reads and writes goes into it: with much more than this the stack of a component
# is at its end, which is the end of the instance, and not an exception.
DEPTH_MAX = 400
_NO_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[^\[\]{}"]+')
_ONE_KIND = str.maketrans("{}", "[]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class NotReadable(Exception):
    """A text or a value is not what was to be read. Says where, as a JSON pointer, if that is not the whole."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path: list[str] = []

    def inside(self, name: str | int) -> None:
        """The value stands inside another one, under this name."""
        self.path.append(str(name).replace("~", "~0").replace("/", "~1"))

    def __str__(self) -> str:
        return f"/{'/'.join(reversed(self.path))}: {self.what}" if self.path else self.what


class Kept:
    """A value that stays the JSON text it came as, until somebody asks for a part of it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
        """The JSON text."""


class Digits(str):
    """A number that no type of Python takes, as its text: it can be handed on and nothing else."""

    __slots__ = ()


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)
_patient_decoder = json.JSONDecoder(
    parse_float=lambda text: _number(Decimal, text),
    parse_int=lambda text: _number(int, text),
    parse_constant=_no_number,
)


def _number(kind: type[int] | type[Decimal], text: str) -> Any:
    try:
        return kind(text)
    except (ValueError, DecimalException):
        return Digits(text)


def read(text: str) -> Any:
    """The plain value of one JSON text. Of a key that stands twice, the last one counts."""
    if text.count("[") + text.count("{") > DEPTH_MAX and _is_too_deep(text):
        raise NotReadable(f"it is nested deeper than {DEPTH_MAX} levels")
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise NotReadable(f"no JSON: {error}") from None
    except (ValueError, DecimalException):
        # A whole number of thousands of digits, or an exponent beyond what Decimal takes.
        return _read_patiently(text)


def _is_too_deep(text: str) -> bool:
    """Takes the innermost brackets away, level by level; what is left after so many is too much."""
    left = _NO_BRACKETS.sub("", text).translate(_ONE_KIND)
    for _ in range(DEPTH_MAX):
        left = left.replace("[]", "")
        if not left:
            return False
    # Brackets that do not fit are no JSON: the scanner says it better.
    return left.startswith("[")


def _read_patiently(text: str) -> Any:
    try:
        return _patient_decoder.decode(text)
    except ValueError as error:
        raise NotReadable(str(error)) from None


def write(value: Any) -> str:
    """A plain value as one JSON text without spaces."""
    text = _text(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a pair of UTF-16, which came as an escape: JSON can say it, UTF-8 can't.
        text = _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half.group()):04x}", text)
    return text


def _text(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is dict:
        return "{" + ",".join([f"{encode_basestring(key)}:{_text(inner)}" for key, inner in value.items()]) + "}"
    if kind is list:
        return "[" + ",".join([_text(inner) for inner in value]) + "]"
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is Decimal:
        return _decimal_text(value)
    # int, float and Digits: what they say is how JSON has them.
    return str(value)


def _decimal_text(value: Decimal) -> str:
    text = str(value)
    if "E" in text and abs(value.adjusted()) <= _EXPONENT_MAX:
        return format(value, "f")
    return text
