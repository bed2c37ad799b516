"""Messages and signals that leave with the commit of the call: once if the answer is done, never otherwise.

Grant: `events`.
"""

from typing import Any

from saga_step import _host, _writing


class Error(Exception):
    """An event was refused. Nothing of it was kept."""


class TopicRefused(Error):
    """The topic is not a valid name or not among those the manifest allows."""


class LimitExceeded(Error):
    """Body or key is over a limit, or the call emitted too much; the text says which."""


def emit(topic: str, body: Any) -> None:
    """Publish `body`, written as JSON, to `topic`, keyed by the saga's global-id.

    The manifest lists the topics under `[events] topics`.
    """
    text = _writing.text(body, "the event's body")
    try:
        _host.here().emit(topic, text)
    except _host.Fault as fault:
        raise _error(fault) from None


def signal(key: str) -> None:
    """Release what waits for `key` (see `Wait`), and remember the signal for those who come to wait later."""
    try:
        _host.here().signal(key)
    except _host.Fault as fault:
        raise _error(fault) from None


def _error(fault: _host.Fault) -> Error:
    if fault.kind == "topic-refused":
        return TopicRefused(f"the topic is refused: {fault.text}")
    return LimitExceeded(f"the event is refused: {fault.text}")


__all__ = ["Error", "LimitExceeded", "TopicRefused", "emit", "signal"]
