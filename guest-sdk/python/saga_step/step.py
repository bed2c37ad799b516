"""One call from text to text: reads the body as the step's type, calls the step, writes what goes on.

Must not know who calls: the component's exports and the test host do the same through here.
"""

import decimal
import inspect
import traceback
import types
import typing
from collections.abc import Callable
from typing import Any

from saga_step import _jsontext, _reading, _splice, _writing
from saga_step.answer import Done, Finished, Kind, Outcome, Rejected, Retry, Wait, answer_of, unchanged
from saga_step.context import Context, Direction
from saga_step.document import Document

INVALID_BODY = "invalid-body"
"""The code of the refusal when a body is not what the step's type reads.

A refusal, not a retry: the bytes will be the same next time, so trying again only delays the moment at which the steps
before are undone and somebody sees the reason.
"""

INVALID_COMPENSATION_LOG = "invalid-compensation-log"
"""The code of the refusal when a compensation log is not what the step's type reads.

A person has to look: the undo cannot run, and running it again would not change that.
"""

# Characters of a stack trace that go into the reason of a retry. The host keeps 4 KiB of a reason.
_TRACE_MAX = 3_000
# The same for what the exception itself says.
_WORDS_MAX = 900
# Digits that decimals are computed with, as in the SDKs of the other languages. The default of 28 would round what they
# don't.
_DECIMAL_DIGITS = 38


class Step:
    """Two functions over one's own types, made ready to be called with texts.

    A component is made of the functions `handle` and `compensate` of a module; this is for tests of functions that are
    no module's.
    """

    def __init__(self, handle: Callable[..., Any], compensate: Callable[..., Any]) -> None:
        self.handle = _Function("handle", handle, ("context", "body"))
        self.compensate = _Function("compensate", compensate, ("context", "body", "log"))

    @classmethod
    def of(cls, module: Any) -> "Step":
        """The step that a module is. Raises `TypeError`, with what to do, if it is none."""
        if isinstance(module, Step):
            return module
        name = getattr(module, "__name__", repr(module))
        found = []
        for function, parameters in (("handle", "context, body"), ("compensate", "context, body, log")):
            if not callable(getattr(module, function, None)):
                hint = "; `compensate = saga_step.nothing_to_undo` if it leaves nothing behind"
                raise TypeError(
                    f"{name} has no function `{function}`; a step has `def {function}({parameters})`"
                    + (hint if function == "compensate" else "")
                )
            found.append(getattr(module, function))
        return cls(*found)

    def call(self, context: Context, body: str, log: str | None) -> Outcome:
        """Make one call, from text to text: `log` counts in the direction `compensate` only.

        Never raises: an exception that is no answer becomes a retry whose reason is what it said and where.
        """
        try:
            with decimal.localcontext(_DECIMALS):
                if context.direction is Direction.COMPENSATE:
                    return self._compensate(context, body, log)
                return self._answer(self.handle, context, body)
        except BaseException as error:
            answer = answer_of(error)
            return Retry(_words_of(error)) if answer is None else _bare(answer)

    def _compensate(self, context: Context, body: str, log: str | None) -> Outcome:
        try:
            value = self.compensate.read_log(log)
        except _jsontext.NotReadable as error:
            reason = f"the compensation log is not what {context.address} reads: {error}"
            return Rejected(INVALID_COMPENSATION_LOG, reason)
        return self._answer(self.compensate, context, body, value)

    @staticmethod
    def _answer(function: "_Function", context: Context, raw: str, *log: Any) -> Outcome:
        try:
            body, before = function.read_body(raw)
        except _jsontext.NotReadable as error:
            return Rejected(INVALID_BODY, f"the body is not what {context.address} reads: {error}")
        result = function.call(context, body, *log)
        if not isinstance(result, Done):
            raise TypeError(_no_answer(function.name, result))
        if result.kind is Kind.UNCHANGED:
            goes_on = raw
        elif result.kind is Kind.REPLACED:
            goes_on = result.body
        else:
            goes_on = _splice.merge(raw, before(), result.body)
        return Finished(goes_on, result.compensation)


def _bare(answer: Rejected | Retry | Wait) -> Outcome:
    """Without where it was raised: those frames hold the body and lead back to whoever holds the answer, a ring that
    lasts until somebody looks for garbage."""
    answer.__traceback__ = answer.__cause__ = answer.__context__ = None
    return answer


_DECIMALS = decimal.Context(prec=_DECIMAL_DIGITS)


class _Function:
    """One of the two functions, with what reads its arguments."""

    def __init__(self, name: str, call: Callable[..., Any], parameters: tuple[str, ...]) -> None:
        self.name = name
        self.call = call
        if inspect.iscoroutinefunction(call):
            raise TypeError(f"`{name}` is `async`; a step is called and answers: make it `def {name}`")
        try:
            positions = inspect.signature(call)
            positions.bind(*parameters)
            hints = typing.get_type_hints(call)
        except NameError as error:
            raise TypeError(f"a hint of `{name}` is not known: {error}") from None
        except TypeError as error:
            raise TypeError(f"`{name}` must take {', '.join(parameters)}: {error}") from None
        # Whatever the author calls them: the second is the body, the third the log.
        names = list(positions.parameters)
        self.body: Any = hints.get(names[1], Any) if len(names) > 1 else Any
        self.log: Any = hints.get(names[2], Any) if len(names) > 2 else Any
        # A hint that cannot be read is told now, not by the first message.
        for what, hint in (("body", self.body), ("log", self.log)):
            try:
                _reading.reader(hint)
            except TypeError as error:
                raise TypeError(f"the {what} of `{name}`: {error}") from None

    def read_body(self, raw: str) -> tuple[Any, Callable[[], Any]]:
        """The body as its type, and what gives the plain value that it was before the step touched it."""
        kept = _reading.kept_as(self.body)
        if kept is not None:
            return kept(raw), lambda: _jsontext.read(raw)
        value = _reading.reader(self.body)(_jsontext.read(raw))
        if _reading.is_plain(self.body):
            # Nobody but the step has the value that was read: reading it again is quicker than a copy, if it comes to
            # that.
            return value, lambda: _jsontext.read(raw)
        before = _writing.plain(value, "the body's type")
        return value, lambda: before

    def read_log(self, log: str | None) -> Any:
        """The log as its type; None if there is none."""
        if log is None:
            return None
        return _reading.read(self.log, log)


def nothing_to_undo(context: Context, body: Document, log: Document | None) -> Done:
    """The `compensate` of a step that leaves nothing behind: `compensate = saga_step.nothing_to_undo`."""
    return unchanged()


def _no_answer(name: str, result: Any) -> str:
    if isinstance(result, (Rejected, Retry, Wait)):
        return f"`{name}` returned {result!r}; raise it"
    if result is None:
        return f"`{name}` returned nothing; return saga_step.done(body), or saga_step.unchanged()"
    return f"`{name}` returned a {type(result).__name__}, which is no answer; return saga_step.done(body)"


def _words_of(error: BaseException) -> str:
    """What an exception says, with its causes, and where it was raised: the last call last, without our own."""
    words = _shortened("".join(traceback.format_exception_only(type(error), error)).strip(), _WORDS_MAX)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told = {id(error)}
    while cause is not None and id(cause) not in told and len(words) < _WORDS_MAX:
        told.add(id(cause))
        said = "".join(traceback.format_exception_only(type(cause), cause)).strip()
        words += f"\nbecause of {_shortened(said, _WORDS_MAX)}"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return f"{words}\n{_trace_of(error.__traceback__)}".strip()


def _trace_of(trace: types.TracebackType | None) -> str:
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        module = trace.tb_frame.f_globals.get("__name__", "")
        if not module.startswith("saga_step."):
            # In a component the author's folder is called /0.
            name = code.co_filename.removeprefix("/0/")
            lines.append(f'  File "{name}", line {trace.tb_lineno}, in {code.co_name}')
        trace = trace.tb_next
    # The end tells most: it is where the exception was raised.
    text = "\n".join(lines)
    return text if len(text) <= _TRACE_MAX else f"  …{text[-_TRACE_MAX:]}"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
