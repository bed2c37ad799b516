"""State that a step keeps between calls. Grant: `keyvalue`.

Writes are applied once, together with the answer, if that is done; after any other answer they never were.
"""

from typing import Any, TypeVar, overload

from saga_step import _host, _jsontext, _reading, _writing

T = TypeVar("T")


class Error(Exception):
    """A bucket did not do as asked."""


class NoSuchBucket(Error):
    """The manifest names no such bucket under `[keyvalue] shared`."""


class AccessDenied(Error):
    """The manifest does not grant it."""


class Bucket:
    """A set of keys with their values.

    A call sees its own writes, and otherwise one consistent state: if another call changes what this one has read
    before this one is committed, the host discards this call and runs it again. So read, compute and write without a
    thought for locks, and keep what many sagas touch at once in many keys rather than in one.

    A bucket may be kept: in each call it is that call's.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"Bucket({self._name!r})"

    def get(self, key: str) -> bytes | None:
        """The bytes under `key`; None if it has no value."""
        try:
            return self._open().get(key)
        except _host.Fault as fault:
            raise _error(self._name, fault) from None

    @overload
    def get_json(self, key: str) -> Any: ...
    @overload
    def get_json(self, key: str, kind: type[T]) -> T | None: ...
    @overload
    def get_json(self, key: str, kind: type[T], default: T) -> T: ...
    def get_json(self, key: str, kind: Any = Any, default: Any = None) -> Any:
        """The value under `key`, read as the body of a step is; `default` if it has none."""
        value = self.get(key)
        if value is None:
            return default
        try:
            return _reading.read(kind, value.decode())
        except (_jsontext.NotReadable, UnicodeDecodeError) as error:
            raise Error(f"the value under key {key} cannot be read: {error}") from None

    def set(self, key: str, value: bytes) -> None:
        """Put bytes under `key`."""
        try:
            self._open().set(key, bytes(value))
        except _host.Fault as fault:
            raise _error(self._name, fault) from None

    def set_json(self, key: str, value: Any) -> None:
        """Put a value under `key`, written as JSON."""
        self.set(key, _writing.text(value, f"the value for key {key}").encode())

    def delete(self, key: str) -> None:
        """Take `key` away; nothing happens if it is not there."""
        try:
            self._open().delete(key)
        except _host.Fault as fault:
            raise _error(self._name, fault) from None

    def exists(self, key: str) -> bool:
        """Whether `key` has a value."""
        try:
            return self._open().exists(key)
        except _host.Fault as fault:
            raise _error(self._name, fault) from None

    def keys(self) -> list[str]:
        """All keys, in byte order. Reads page after page: for buckets that stay small."""
        keys, cursor = self.keys_page()
        while cursor is not None:
            more, cursor = self.keys_page(cursor)
            keys += more
        return keys

    def keys_page(self, cursor: str | None = None) -> tuple[list[str], str | None]:
        """One page of keys in byte order, and the cursor of the next page; None after the last."""
        try:
            return self._open().keys_page(cursor)
        except _host.Fault as fault:
            raise _error(self._name, fault) from None

    def _open(self) -> _host.Bucket:
        return _host.here().bucket(self._name)


def own() -> Bucket:
    """The step's own bucket: no other step sees it."""
    return _opened("")


def shared(name: str) -> Bucket:
    """A bucket that steps of one domain share. Each of them names it in its manifest: `[keyvalue] shared = ["…"]`."""
    return _opened(name)


def _opened(name: str) -> Bucket:
    bucket = Bucket(name)
    # What is not granted is told where it is asked for, not at the first read. Outside of a call nobody can tell.
    if _host.is_here():
        try:
            bucket._open()
        except _host.Fault as fault:
            raise _error(name, fault) from None
    return bucket


def _error(name: str, fault: _host.Fault) -> Error:
    if fault.kind == "no-such-store":
        return NoSuchBucket(f"there is no bucket {name!r}; name it in the step's manifest, [keyvalue] shared")
    if fault.kind == "access-denied":
        whose = f"the bucket {name!r}" if name else "the step's own bucket"
        return AccessDenied(f"access to {whose} is denied; grant `keyvalue` in the step's manifest")
    return Error(f"key-value store: {fault.text}")


__all__ = ["AccessDenied", "Bucket", "Error", "NoSuchBucket", "own", "shared"]
