"""The log lines of a step. A line leaves at once, also when the call fails or is repeated: a log is no effect of the
saga.

No grant is needed. Never log a payload. `logging` of the standard library works too: while a step is called, what its
loggers say goes to the host.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

from saga_step import _host

TRACE = 5
"""The level of `logging` below DEBUG that is the host's trace."""


def trace(message: str, *arguments: Any) -> None:
    """Every little thing. Arguments as for `logging`: `trace("took %s", amount)`."""
    _line("trace", message, arguments)


def debug(message: str, *arguments: Any) -> None:
    """For the author of the step."""
    _line("debug", message, arguments)


def info(message: str, *arguments: Any) -> None:
    """What the operator may want to know."""
    _line("info", message, arguments)


def warn(message: str, *arguments: Any) -> None:
    """Unexpected, but handled."""
    _line("warn", message, arguments)


def error(message: str, *arguments: Any) -> None:
    """Somebody has to look at it."""
    _line("error", message, arguments)


def _line(level: str, message: str, arguments: tuple[Any, ...]) -> None:
    caller = sys._getframe(2)
    context = f"{caller.f_globals.get('__name__', 'step')}.{caller.f_code.co_name}"
    _host.here().log(level, context, message % arguments if arguments else message)


class Handler(logging.Handler):
    """Hands the records of `logging` to the host. A step has it without asking for it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with its exception if it has one."""
        if not _host.is_here():
            return
        try:
            _host.here().log(_level(record.levelno), record.name, self.format(record))
        except Exception:
            self.handleError(record)


def _level(number: int) -> str:
    if number >= logging.CRITICAL:
        return "critical"
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    if number >= logging.INFO:
        return "info"
    return "debug" if number >= logging.DEBUG else "trace"


_handler = Handler()


@contextlib.contextmanager
def attached() -> Iterator[None]:
    """Let `logging` speak to the host within. The host decides what to show, so all levels go there, unless the author
    has given the root logger a level of their own.
    """
    root = logging.getLogger()
    level = root.level
    root.addHandler(_handler)
    if level == logging.WARNING:
        root.setLevel(TRACE)
    try:
        yield
    finally:
        root.removeHandler(_handler)
        if level == logging.WARNING:
            root.setLevel(level)


__all__ = ["TRACE", "Handler", "debug", "error", "info", "trace", "warn"]
