"""The step as a component: what it exports, and what it asks of the host by its imports. Never imported in a test.

`saga build` makes a module of two lines, which is imported while the component is being built, in a Python inside wasm
that has the project's files. What there is then is frozen into the component; there are no files later:

    from saga_step import _component
    Step = _component.of_module("step")

Invariant: what a call opens is closed when it ends, since an instance lives on for many.
"""

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, TypeVar

# Modules that componentize-py makes of the contract; `saga build` gives them these names.
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import saga_logging
from wit_world.imports import saga_types as wit

from saga_step import _host, log
from saga_step.answer import Finished, Outcome, Rejected, Retry
from saga_step.context import Context, Direction, Failure
from saga_step.step import Step

# Those that the manifest grants; a component imports nothing else.
try:
    from wit_world.imports import saga_config
except ImportError:
    saga_config = None  # type: ignore[assignment]
try:
    from wit_world.imports import saga_events
except ImportError:
    saga_events = None  # type: ignore[assignment]
try:
    from wit_world.imports import saga_keyvalue
except ImportError:
    saga_keyvalue = None  # type: ignore[assignment]

T = TypeVar("T")

# What `saga build` looks for in the output: the words between them are for the author.
_MARK = "\x1esaga\x1e"
_TOLD_MAX = 4_000
# Modules of the standard library that it imports when they are first needed, inside functions. Later is too late.
_NEEDED_LATER = (
    "_strptime",
    "encodings.ascii",
    "encodings.cp1252",
    "encodings.idna",
    "encodings.iso8859_15",
    "encodings.latin_1",
    "encodings.utf_16",
)

_levels = {
    "trace": saga_logging.Level.TRACE,
    "debug": saga_logging.Level.DEBUG,
    "info": saga_logging.Level.INFO,
    "warn": saga_logging.Level.WARN,
    "error": saga_logging.Level.ERROR,
    "critical": saga_logging.Level.CRITICAL,
}


def of_module(name: str) -> type[exports.Step]:
    """The class that componentize-py takes for the contract's interface, made of the author's module."""
    try:
        for needed in _NEEDED_LATER:
            importlib.import_module(needed)
        step = Step.of(importlib.import_module(name))
    except BaseException as error:
        _tell(error)
        raise
    # What lives for good is no garbage: otherwise the first collection of each instance would look at all of it, and
    # make pages its own that it would otherwise share with every other instance.
    gc.collect()
    gc.freeze()

    class Exported(exports.Step):
        def handle(self, context: wit.Context, body: str) -> wit.Outcome:
            return _call(step, context, body, None)

        def compensate(self, context: wit.Context, body: str, compensation_log: str | None) -> wit.Outcome:
            return _call(step, context, body, compensation_log)

    return Exported


def _call(step: Step, context: wit.Context, body: str, log_text: str | None) -> wit.Outcome:
    _forbid_imports()
    host = _ComponentHost()
    try:
        with _host.serving(host), log.attached():
            return _lowered(step.call(_lifted(context), body, log_text))
    finally:
        host.close()


def _lifted(context: wit.Context) -> Context:
    failure = None
    if context.failure is not None:
        cause = context.failure
        failure = Failure(cause.position, cause.address, cause.kind, cause.code, cause.reason)
    return Context(
        context.global_id,
        context.use_case,
        context.use_case_version,
        context.address,
        context.position,
        Direction.HANDLE if context.direction is wit.Direction.HANDLE else Direction.COMPENSATE,
        context.attempt,
        context.idempotency_key,
        context.deadline,
        context.signalled,
        failure,
        tuple(context.headers),
    )


def _lowered(outcome: Outcome) -> wit.Outcome:
    if isinstance(outcome, Finished):
        return wit.Outcome_Done(wit.Done(_sent(outcome.body), outcome.compensation and _sent(outcome.compensation)))
    if isinstance(outcome, Rejected):
        details = outcome.details and _sent(outcome.details)
        return wit.Outcome_Rejected(wit.Rejected(_sent(outcome.code), _sent(outcome.reason), details))
    if isinstance(outcome, Retry):
        return wit.Outcome_Retry(wit.Retry(_sent(outcome.reason), outcome.after_ms))
    return wit.Outcome_Wait(wit.Wait(_sent(outcome.key), _sent(outcome.reason), outcome.timeout_ms))


def _sent(value: object) -> str:
    """A text that can cross the border: half a pair of UTF-16 can't, and would be a trap."""
    text = str(value)
    return text if text.isascii() else text.encode(errors="replace").decode()


class _ComponentHost:
    """The host of one call."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def close(self) -> None:
        for bucket in self._buckets.values():
            bucket.close()

    def log(self, level: str, context: str, message: str) -> None:
        saga_logging.log(_levels[level], _sent(context), _sent(message))

    def config_get(self, key: str) -> str | None:
        _need(saga_config, "config", "other")
        return _asked(lambda: saga_config.get(_sent(key)))

    def config_all(self) -> list[tuple[str, str]]:
        _need(saga_config, "config", "other")
        return _asked(saga_config.get_all)

    def bucket(self, name: str) -> "_Bucket":
        bucket = self._buckets.get(name)
        if bucket is None:
            _need(saga_keyvalue, "keyvalue", "access-denied")
            bucket = self._buckets[name] = _Bucket(_asked(lambda: saga_keyvalue.open(_sent(name))))
        return bucket

    def emit(self, topic: str, body: str) -> None:
        _need(saga_events, "events", "topic-refused")
        _asked(lambda: saga_events.emit(_sent(topic), _sent(body)))

    def signal(self, key: str) -> None:
        _need(saga_events, "events", "topic-refused")
        _asked(lambda: saga_events.signal(_sent(key)))


class _Bucket:
    def __init__(self, bucket: saga_keyvalue.Bucket) -> None:
        self._bucket = bucket

    def close(self) -> None:
        self._bucket.__exit__(None, None, None)

    def get(self, key: str) -> bytes | None:
        return _asked(lambda: self._bucket.get(_sent(key)))

    def set(self, key: str, value: bytes) -> None:
        _asked(lambda: self._bucket.set(_sent(key), value))

    def delete(self, key: str) -> None:
        _asked(lambda: self._bucket.delete(_sent(key)))

    def exists(self, key: str) -> bool:
        return _asked(lambda: self._bucket.exists(_sent(key)))

    def keys_page(self, cursor: str | None) -> tuple[list[str], str | None]:
        page = _asked(lambda: self._bucket.list_keys(cursor))
        return page.keys, page.cursor


# By the names of the cases, since not every component has the classes.
_kinds = {
    "Error_NoSuchStore": "no-such-store",
    "Error_AccessDenied": "access-denied",
    "Error_TopicRefused": "topic-refused",
    "Error_Limit": "limit",
}


def _need(module: Any, grant: str, kind: str) -> None:
    if module is None:
        words = f"not granted when the component was built; add `{grant}` to the grants in the step's manifest"
        raise _host.Fault(kind, f"{words} and build it again")


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except Err as error:
        cause = error.value
        raise _host.Fault(_kinds.get(type(cause).__name__, "other"), getattr(cause, "value", "")) from None


class _NoFiles:
    """Says what is wrong with an import that comes too late, in the place of a search for files."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        raise ModuleNotFoundError(
            f"module {name!r} is not in this component, which has no files: what a step imports when it runs must have "
            "been imported when it was built; import it at the top of the module, not inside a function",
            name=name,
        )


def _forbid_imports() -> None:
    """Before the first call of an instance, and not when it is built: componentize-py itself still imports then."""
    if sys.meta_path[-1] is not _NoFiles:
        sys.meta_path[:] = [*(finder for finder in sys.meta_path if finder is not PathFinder), _NoFiles]


def _tell(error: BaseException) -> None:
    """Why the author's module cannot be imported, in the author's own files."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_of_author(frame.filename)]
    lines = traceback.format_list(frames) + traceback.format_exception_only(type(error), error)
    # componentize-py takes 10,000 bytes and no more.
    sys.stderr.write(f"{_MARK}{''.join(lines)[-_TOLD_MAX:]}{_MARK}")
    sys.stderr.flush()


def _is_of_author(filename: str) -> bool:
    own = os.path.dirname(__file__)
    return not filename.startswith(("<", "/python/", "/world/", "/bundled/", own))
