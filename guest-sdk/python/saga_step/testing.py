"""Runs a step natively with a host made of memory: no wasm, no server, no files but the step's own manifest.

Does to results what the host does: they count if the answer is done, and are dropped otherwise.

    import step

    host = TestHost(step).config("limit", "100")
    run = host.handle({"amount": 70, "unknown": Decimal("1.50")})
    run.done().body  # {"amount":70,"unknown":1.50}
    host.handle({"amount": 31}).rejected().code
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar, overload

from saga_step import _host, _jsontext, _reading, _world, _writing, log
from saga_step._world import Event, Line
from saga_step.answer import Finished, Outcome, Rejected, Retry, Wait
from saga_step.context import Context, Direction, Failure
from saga_step.step import Step

T = TypeVar("T")


class TestHost:
    """A host for one step, in memory. What key-values hold stays from call to call, as it would."""

    # It is no class of tests, though its name begins like one.
    __test__ = False

    def __init__(self, step: Any) -> None:
        """A host for a module with `handle` and `compensate` (or a `Step`), with every grant and no configuration."""
        self._step = Step.of(step)
        self._world = _world.World()
        self._context = Context(
            global_id="test-saga",
            use_case="test",
            use_case_version=1,
            address="test.step.here",
            position=0,
            direction=Direction.HANDLE,
            attempt=1,
            idempotency_key="",
        )

    def manifest_in(self, folder: str | Path) -> "TestHost":
        """Take address, grants, `[config]`, shared buckets and topics from the step's manifest.

        That is the one `<domain>.<subdomain>.<service>.toml` in a folder, which usually is the test's own. From then on
        a capability that is not granted is refused, as the host would.
        """
        address, manifest = _world.manifest_in(Path(folder))
        self._context = dataclasses.replace(self._context, address=address)
        self._world.obey(manifest)
        return self

    def config(self, key: str, text: str) -> "TestHost":
        """A text under `[config]`, before that of the manifest."""
        self._world.config[key] = text
        return self

    def shared(self, name: str) -> "TestHost":
        """A shared bucket that the step may open."""
        self._world.committed.setdefault(name, {})
        return self

    def put(self, key: str, value: Any, *, bucket: str = "") -> "TestHost":
        """Set a value in the step's own bucket or a shared one, as JSON: what an earlier call or another step did."""
        text = _writing.text(value, f"the value for {key}")
        self._world.committed.setdefault(bucket, {})[key] = text.encode()
        return self

    def context(self, **changes: Any) -> "TestHost":
        """Change the context of the next calls: `host.context(attempt=2)`. Direction and idempotency key follow by
        themselves.
        """
        self._context = dataclasses.replace(self._context, **changes)
        return self

    def handle(self, body: Any) -> "Run":
        """Call `handle` with a body: a JSON text, or a value that is written as one."""
        return self._call(Direction.HANDLE, _json_text(body), None)

    def compensate(self, body: Any, log: str | None = None) -> "Run":
        """Call `compensate` with a body and a log, which is a JSON text; None if there is none."""
        return self._call(Direction.COMPENSATE, _json_text(body), None if log is None else _json_text(log))

    def undo(self, run: "Run", failure: Failure | None = None) -> "Run":
        """Call `compensate` with the body and the log of an answer of `handle`, because a later step refused."""
        finished = run.done()
        later = Failure(self._context.position + 1, "test.step.later", "rejected", "refused", "a later step refused")
        before = self._context
        self._context = dataclasses.replace(before, failure=failure or later)
        try:
            return self.compensate(finished.body, finished.compensation)
        finally:
            self._context = before

    @overload
    def value(self, key: str, *, bucket: str = "") -> Any: ...
    @overload
    def value(self, key: str, kind: type[T], *, bucket: str = "") -> T | None: ...
    def value(self, key: str, kind: Any = Any, *, bucket: str = "") -> Any:
        """The JSON value in the step's own bucket or a shared one; None if there is none."""
        value = self._world.committed.get(bucket, {}).get(key)
        return None if value is None else _read(kind, value.decode(), f"the value under {key}")

    def bucket(self, name: str = "") -> dict[str, bytes]:
        """All that a bucket holds."""
        return dict(self._world.committed.get(name, {}))

    def _call(self, direction: Direction, body: str, log_text: str | None) -> "Run":
        here = self._context
        key = f"{here.global_id}/{direction}/{here.position}"
        context = dataclasses.replace(here, direction=direction, idempotency_key=key)
        self._world.begin()
        with _host.serving(self._world), log.attached():
            outcome = self._step.call(context, body, log_text)
        logs, events, signals = self._world.end(isinstance(outcome, Finished))
        return Run(outcome, logs, events, signals, body)


@dataclasses.dataclass
class Run:
    """One call and what came of it."""

    outcome: Outcome
    """The answer, as the host gets it."""
    logs: list[Line]
    """What was logged, also by a call that failed."""
    events: list[Event]
    """What was published; empty unless the answer is done."""
    signals: list[str]
    """What was signalled; empty unless the answer is done."""
    _body: str

    def done(self) -> Finished:
        """The answer, which must be done."""
        return self._expect("done", Finished)

    @property
    def body(self) -> str:
        """The text of the body that goes on; the answer must be done."""
        return self.done().body

    @overload
    def compensation(self) -> Any: ...
    @overload
    def compensation(self, kind: type[T]) -> T | None: ...
    def compensation(self, kind: Any = Any) -> Any:
        """The compensation log, read as `kind`; None if there is none. The answer must be done."""
        text = self.done().compensation
        return None if text is None else _read(kind, text, "the compensation log")

    def rejected(self) -> Rejected:
        """The refusal; the answer must be one."""
        return self._expect("rejected", Rejected)

    def retry(self) -> Retry:
        """The request to be called again; the answer must be one."""
        return self._expect("retry", Retry)

    def waits(self) -> Wait:
        """What is waited for; the answer must be that."""
        return self._expect("wait", Wait)

    def logged(self, text: str) -> bool:
        """Whether a line holds a text."""
        return any(text in line.message for line in self.logs)

    def _expect(self, word: str, kind: type[T]) -> T:
        if not isinstance(self.outcome, kind):
            raise AssertionError(f"expected {word} for body {self._body}, got {self.outcome!r}")
        return self.outcome


def _json_text(value: Any) -> str:
    """A text is JSON already, anything else becomes it. Strict, as a host is that never delivers what is no JSON."""
    if not isinstance(value, str):
        return _writing.text(value, "the body")
    try:
        json.loads(value, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise AssertionError(f"this is no JSON, and a host never delivers such: {value}: {error}") from None
    return value


def _read(kind: Any, text: str, what: str) -> Any:
    try:
        return _reading.read(kind, text)
    except _jsontext.NotReadable as error:
        raise AssertionError(f"{what} {text}: {error}") from None


__all__ = ["Event", "Line", "Run", "TestHost"]
