"""What a step can answer, and how an exception of any kind becomes one of these answers. Knows nothing of the host.

Invariant: every text in here that is said to be JSON was written by this package.
"""

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from saga_step import _jsontext, _writing

# Milliseconds that the contract can carry: 49 days.
_MILLISECONDS_MAX = 2**32 - 1


class Kind(enum.Enum):
    """What becomes of the body that came."""

    UNCHANGED = enum.auto()
    MERGED = enum.auto()
    REPLACED = enum.auto()


@dataclass(frozen=True)
class Done:
    """The step is finished. Made by `done`, `unchanged` and `replaced`, and returned by a step."""

    kind: "Kind"
    body: Any
    """Plain values if it is merged, a JSON text if it replaces, otherwise nothing."""
    compensation: str | None
    """A JSON text."""


def done(body: Any, *, compensation: Any = None) -> Done:
    """The step is finished; `body` goes on to the next step.

    Only what the step changed is written into the text that came: members that the body's type does not know, and those
    it knows and left alone, go on byte for byte and in their order. In a list, elements are recognised by what the type
    sees of them; one that was changed while others were added or removed is written as the type has it.

    `compensation` is what `compensate` will need to undo this: handed back to it, if the saga turns round, and to
    nobody else. Put in what cannot be told from the body. In an answer of `compensate` it is ignored.

    Raises `TypeError` or `ValueError` if one of them cannot be written as JSON.
    """
    if isinstance(body, _jsontext.Kept):
        return Done(Kind.REPLACED, body.text, _log_text(compensation))
    return Done(Kind.MERGED, _writing.plain(body, "the body"), _log_text(compensation))


def unchanged(*, compensation: Any = None) -> Done:
    """The step is finished; the body goes on exactly as it came. `compensation` as in `done`."""
    return Done(Kind.UNCHANGED, None, _log_text(compensation))


def replaced(body: Any, *, compensation: Any = None) -> Done:
    """The step is finished; `body` alone goes on, and nothing of the body that came is kept. Otherwise as `done`."""
    return Done(Kind.REPLACED, _writing.text(body, "the body"), _log_text(compensation))


def _log_text(log: Any) -> str | None:
    return None if log is None else _writing.text(log, "the compensation log")


class Rejected(Exception):
    """A business refusal, final: the saga turns round and undoes the steps before this one.

    This step itself is not undone; its key-value writes, events and signals are discarded by the host. Raise it, or
    raise an exception of your own `from` it.
    """

    def __init__(self, code: str, reason: str, details: Any = None) -> None:
        super().__init__(code, reason)
        self.code = code
        """Stable, for programs: insufficient-funds."""
        self.reason = reason
        """For people."""
        self.details: str | None = None if details is None else _writing.text(details, "the details")
        """More for programs: a JSON text."""

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})"

    def __repr__(self) -> str:
        return f"Rejected(code={self.code!r}, reason={self.reason!r}, details={self.details!r})"


class Retry(Exception):
    """A technical failure that may pass: everything the call asked for is discarded and the message comes again.

    It comes with growing pauses, until the budget of the manifest is used up. Every other exception that leaves a step
    does the same.
    """

    def __init__(self, reason: str, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        """For people: what went wrong."""
        self.after_ms = _milliseconds(after)
        """Not sooner than this; None lets the manifest's back-off decide."""

    def __repr__(self) -> str:
        return f"Retry(reason={self.reason!r}, after_ms={self.after_ms!r})"


class Wait(Exception):
    """A precondition is not there yet: everything else the call asked for is discarded, the message is parked.

    It comes again when `key` is signalled, or at once if that signal was faster and is still remembered.
    """

    def __init__(self, key: str, reason: str, timeout: float | timedelta | None = None) -> None:
        super().__init__(key, reason)
        self.key = key
        """What is waited for: customer/42; 1 to 256 printable characters."""
        self.reason = reason
        """For people: shown wherever the saga is shown."""
        self.timeout_ms = _milliseconds(timeout)
        """Give up after this long; None takes the time of the manifest."""

    def __str__(self) -> str:
        return f"waiting for {self.key}: {self.reason}"

    def __repr__(self) -> str:
        return f"Wait(key={self.key!r}, reason={self.reason!r}, timeout_ms={self.timeout_ms!r})"


@dataclass(frozen=True)
class Finished:
    """The outcome of a step that is done."""

    body: str
    """What goes on: a JSON text."""
    compensation: str | None
    """What `compensate` gets back: a JSON text; None if there is none."""


Outcome = Finished | Rejected | Retry | Wait
"""What a call comes to, as the host gets it: texts and numbers only."""


def answer_of(error: BaseException) -> Rejected | Retry | Wait | None:
    """The answer that an exception is, or that it was raised `from`; None if it is none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (Rejected, Retry, Wait)):
            return seen
        seen = seen.__cause__
    return None


def _milliseconds(span: float | timedelta | None) -> int | None:
    """Seconds or a timedelta as the contract has them: whole milliseconds, within what it can carry."""
    if span is None:
        return None
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    # Rounded, not cut: 0.29 seconds are 290 milliseconds.
    return max(0, min(round(seconds * 1000), _MILLISECONDS_MAX))


__all__ = ["Done", "Finished", "Outcome", "Rejected", "Retry", "Wait", "answer_of", "done", "replaced", "unchanged"]
