"""The texts under `[config]` in the step's manifest. Grant: `config`.

They are the same for the whole life of a plugin version; a changed manifest is a new version.
"""

from collections.abc import Callable
from typing import TypeVar

from saga_step import _host

T = TypeVar("T")


class Error(Exception):
    """A text could not be had, or is not what the step reads."""


def get(key: str) -> str | None:
    """The text under `key`; None if the manifest does not have it."""
    try:
        return _host.here().config_get(key)
    except _host.Fault as fault:
        raise Error(f"reading the configuration: {fault.text}") from None


def parse(key: str, read: Callable[[str], T]) -> T | None:
    """The text under `key`, read by a function such as `int` or `Decimal`; None if the manifest does not have it."""
    text = get(key)
    if text is None:
        return None
    try:
        return read(text)
    except (ValueError, ArithmeticError) as error:
        # Decimal's words are a list of its signals, which tells a reader nothing.
        words = "" if isinstance(error, ArithmeticError) else f" ({error})"
        raise Error(f"`{text}` under [config] {key} cannot be read{words}; correct the step's manifest") from error


def get_all() -> dict[str, str]:
    """All keys and texts, in the order of the manifest."""
    try:
        return dict(_host.here().config_all())
    except _host.Fault as fault:
        raise Error(f"reading the configuration: {fault.text}") from None


__all__ = ["Error", "get", "get_all", "parse"]
