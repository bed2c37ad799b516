"""What the host knows about one delivery, as the step sees it. Knows nothing of how it got here."""

import enum
from dataclasses import dataclass
from typing import Any

from saga_step import _jsontext, _reading


class Direction(str, enum.Enum):
    """Which of the two functions a message is for."""

    HANDLE = "handle"
    """Towards the end of the saga."""
    COMPENSATE = "compensate"
    """Backwards, undoing finished steps in reverse order."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Failure:
    """What turned a saga round."""

    position: int
    """Index of the step that failed or refused, counted forward."""
    address: str
    """That step's address."""
    kind: str
    """rejected, retry-exhausted, deadline, …"""
    code: str
    """Stable, for programs: a refusal's own code, or the kind's."""
    reason: str
    """For people."""


@dataclass(frozen=True)
class Context:
    """What the host knows about this delivery.

    The same message may be delivered more than once. Every member but `attempt` and `signalled` is then the same. The
    host applies a call's results (body, key-value writes, events, signals) exactly once; an effect outside the host is
    repeated when the call is, so hand `idempotency_key` to every outside system you write to, and derive ids from it
    rather than from time or chance.
    """

    global_id: str
    """Identity of the saga."""
    use_case: str | None
    """Name of the use case that started it; None for a saga that a foreign producer started."""
    use_case_version: int | None
    """Version of that use case."""
    address: str
    """Address of this step."""
    position: int
    """Index of this step in the saga, counted forward in both directions."""
    direction: Direction
    """Which of the two functions is being called."""
    attempt: int
    """1 for the first delivery; counts the retries of this step in this direction."""
    idempotency_key: str
    """The same for each delivery of this message: global-id/direction/position."""
    deadline: str | None = None
    """When the saga's time is over (RFC 3339, UTC); None if it has no deadline."""
    signalled: str | None = None
    """The key whose signal ended this message's wait; None if it was not waiting."""
    failure: Failure | None = None
    """What turned the saga round; None while it goes forward."""
    headers: tuple[tuple[str, str], ...] = ()
    """Members of the message's meta that the host does not know, as JSON texts, in their order."""

    def header(self, name: str, kind: Any = Any) -> Any:
        """A member of meta that the host does not know, read as `kind`; None if it is absent or something else."""
        for known, text in self.headers:
            if known == name:
                try:
                    return _reading.read(kind, text)
                except _jsontext.NotReadable:
                    return None
        return None
