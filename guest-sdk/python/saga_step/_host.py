"""What a step may ask of the host: in a component by its imports (`_component`), natively of a test (`testing`).

One at a time, and only while a call runs: a step runs alone in its instance.
"""

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Fault(Exception):
    """An error that the host answered."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(kind, text)
        self.kind = kind
        """no-such-store, access-denied, topic-refused, limit, or other."""
        self.text = text


class Bucket(Protocol):
    """A bucket, open for the length of one call."""

    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes) -> None: ...
    def delete(self, key: str) -> None: ...
    def exists(self, key: str) -> bool: ...
    def keys_page(self, cursor: str | None) -> tuple[list[str], str | None]: ...


class Host(Protocol):
    """What raises here is a `Fault`."""

    def log(self, level: str, context: str, message: str) -> None: ...
    def config_get(self, key: str) -> str | None: ...
    def config_all(self) -> list[tuple[str, str]]: ...
    def bucket(self, name: str) -> Bucket: ...
    def emit(self, topic: str, body: str) -> None: ...
    def signal(self, key: str) -> None: ...


_serving: Host | None = None


def here() -> Host:
    """The host of the call that runs."""
    if _serving is None:
        raise RuntimeError(
            "there is no host here: only `handle` and `compensate` can ask for configuration, key-values and events, "
            "while they are called, and no module while it is imported. In a test, call them through "
            "saga_step.testing.TestHost"
        )
    return _serving


def is_here() -> bool:
    """Whether a call runs."""
    return _serving is not None


@contextlib.contextmanager
def serving(host: Host) -> Iterator[None]:
    """Serve what runs within."""
    global _serving
    before = _serving
    _serving = host
    try:
        yield
    finally:
        _serving = before
