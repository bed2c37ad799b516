"""The world that a step sees during a test, and the part of its manifest that a test needs. For `testing` alone.

Invariant: `buckets` is what the call sees, `committed` what stays if it is not done.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saga_step import _host

# Keys of one page: few, so that a test with a handful of keys meets a second page.
_PAGE_KEYS = 4
# Characters of a wait key, as the contract has it.
_KEY_CHARACTERS_MAX = 256
_ADDRESSED = re.compile(r"([a-z0-9][a-z0-9-]*\.){3}toml")


@dataclass(frozen=True)
class Line:
    """A log line."""

    level: str
    """trace, debug, info, warn, error or critical."""
    context: str
    """The function or the logger that wrote it."""
    message: str
    """What it says."""


@dataclass(frozen=True)
class Event:
    """A published message."""

    topic: str
    """Where to."""
    body: str
    """A JSON text."""


class World:
    """A host made of memory."""

    def __init__(self) -> None:
        self.config: dict[str, str] = {}
        self.committed: dict[str, dict[str, bytes]] = {"": {}}
        self.buckets: dict[str, dict[str, bytes]] = {}
        # None grants everything, or allows every topic.
        self.grants: list[str] | None = None
        self.topics: list[str] | None = None
        self._logs: list[Line] = []
        self._events: list[Event] = []
        self._signals: list[str] = []

    def obey(self, manifest: dict[str, Any]) -> None:
        """Grant what the manifest does, and nothing else."""
        for key, text in manifest.get("config", {}).items():
            if not isinstance(text, str):
                raise ValueError(f"[config] {key} must be a text, it is {text!r}; put it in quotes")
            # What the test itself has set stays.
            self.config.setdefault(key, text)
        for name in manifest.get("keyvalue", {}).get("shared", []):
            self.committed.setdefault(name, {})
        self.grants = manifest.get("grants", [])
        self.topics = manifest.get("events", {}).get("topics", [])

    def begin(self) -> None:
        """A call begins."""
        self.buckets = {name: dict(bucket) for name, bucket in self.committed.items()}
        self._logs, self._events, self._signals = [], [], []

    def end(self, is_done: bool) -> tuple[list[Line], list[Event], list[str]]:
        """A call has ended: what it leaves behind."""
        if not is_done:
            return self._logs, [], []
        self.committed = self.buckets
        return self._logs, self._events, self._signals

    def log(self, level: str, context: str, message: str) -> None:
        self._logs.append(Line(level, context, message))

    def config_get(self, key: str) -> str | None:
        return dict(self.config_all()).get(key)

    def config_all(self) -> list[tuple[str, str]]:
        if not self._grants("config"):
            raise _host.Fault("other", "not granted; add `config` to the grants in the step's manifest")
        return list(self.config.items())

    def bucket(self, name: str) -> "MemoryBucket":
        if not self._grants("keyvalue"):
            raise _host.Fault("access-denied")
        if name not in self.buckets:
            raise _host.Fault("no-such-store")
        return MemoryBucket(self.buckets[name])

    def emit(self, topic: str, body: str) -> None:
        self._check_events()
        if self.topics is not None and topic not in self.topics:
            raise _host.Fault("topic-refused", f"{topic} is not among [events] topics in the step's manifest")
        self._events.append(Event(topic, body))

    def signal(self, key: str) -> None:
        self._check_events()
        if not 0 < len(key) <= _KEY_CHARACTERS_MAX or not key.isprintable() or key.strip() != key:
            words = f"a key has 1 to {_KEY_CHARACTERS_MAX} printable characters, no space at its ends: {key!r}"
            raise _host.Fault("limit", words)
        self._signals.append(key)

    def _grants(self, name: str) -> bool:
        return self.grants is None or name in self.grants

    def _check_events(self) -> None:
        if not self._grants("events"):
            words = "not granted; add `events` to the grants in the step's manifest"
            raise _host.Fault("topic-refused", words)


class MemoryBucket:
    """A bucket of a world."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self._values = values

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    def set(self, key: str, value: bytes) -> None:
        self._values[key] = value

    def delete(self, key: str) -> None:
        self._values.pop(key, None)

    def exists(self, key: str) -> bool:
        return key in self._values

    def keys_page(self, cursor: str | None) -> tuple[list[str], str | None]:
        # In byte order, which for some characters is not that of Python's texts.
        keys = sorted(self._values, key=str.encode)
        if cursor is not None:
            keys = [key for key in keys if key.encode() > cursor.encode()]
        if len(keys) <= _PAGE_KEYS:
            return keys, None
        return keys[:_PAGE_KEYS], keys[_PAGE_KEYS - 1]


def manifest_in(folder: Path) -> tuple[str, dict[str, Any]]:
    """The address and the one manifest in a folder. The host reads it in full and is stricter."""
    try:
        import tomllib
    except ModuleNotFoundError:
        raise ModuleNotFoundError("manifest_in reads TOML, which Python can from 3.11 on") from None
    found = sorted(path for path in folder.iterdir() if _ADDRESSED.fullmatch(path.name))
    if len(found) != 1:
        names = [path.name for path in found]
        raise FileNotFoundError(f"{folder} must hold one <domain>.<subdomain>.<service>.toml, it holds {names}")
    return found[0].stem, tomllib.loads(found[0].read_text(encoding="utf-8"))
