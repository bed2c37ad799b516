"""The conformance step in Python: does what its body says, as the README beside this folder describes it."""

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from saga_step import (
    Context,
    Document,
    Done,
    Rejected,
    Retry,
    Wait,
    config,
    done,
    events,
    keyvalue,
    log,
    replaced,
    unchanged,
)

_calls = 0


@dataclass
class Inner:
    note: str | None = None


@dataclass
class Item:
    name: str
    count: int


@dataclass
class Body:
    do: str
    to: str | None = None
    note: str | None = None
    amount: Decimal | None = None
    plus: Decimal | None = None
    count: int | None = None
    inner: Inner | None = None
    items: list[Item] | None = None


def handle(context: Context, body: Body) -> Done:
    global _calls
    _calls += 1
    act = _acts.get(body.do) or _acts_of_both.get(body.do)
    if act is None:
        raise Rejected("no-such-act", f"there is no act {body.do}")
    return act(context, body) or done(body)


def compensate(context: Context, body: Body, left: Document | None) -> Done:
    act = _acts_of_both.get(body.do)
    if act is not None:
        return act(context, body) or done(body)
    body.note = "(none)" if left is None else left.text
    return done(body)


def _unchanged(context: Context, body: Body) -> Done:
    return unchanged()


def _set(context: Context, body: Body) -> None:
    body.note = body.to


def _remove(context: Context, body: Body) -> None:
    body.note = None


def _inner(context: Context, body: Body) -> None:
    assert body.inner is not None
    body.inner.note = body.to


def _item(context: Context, body: Body) -> None:
    for item in body.items or []:
        if item.name == body.to:
            item.count += 1


def _append(context: Context, body: Body) -> None:
    assert body.items is not None
    body.items.append(Item(_text(body.to), 1))


def _drop(context: Context, body: Body) -> None:
    body.items = [item for item in body.items or [] if item.name != body.to]


def _add(context: Context, body: Body) -> None:
    assert body.amount is not None and body.plus is not None
    body.amount += body.plus


def _increase(context: Context, body: Body) -> None:
    assert body.count is not None
    body.count += 1


def _replace(context: Context, body: Body) -> Done:
    return replaced({"fresh": True, "note": body.to})


def _remember(context: Context, body: Body) -> Done:
    return done(body, compensation=Document.parse(_text(body.to)))


def _config(context: Context, body: Body) -> None:
    text = config.get(_text(body.to))
    body.note = "(none)" if text is None else text


def _keyvalue(context: Context, body: Body) -> None:
    _use(keyvalue.own(), body)


def _shared(context: Context, body: Body) -> None:
    _use(keyvalue.shared("orders"), body)


def _use(bucket: keyvalue.Bucket, body: Body) -> None:
    bucket.set("a", _text(body.to).encode())
    bucket.delete("b")
    value = bucket.get("a")
    there = "yes" if bucket.exists("b") else "no"
    body.note = f"a={'' if value is None else value.decode()}, b={there}, keys={','.join(sorted(bucket.keys()))}"


def _foreign(context: Context, body: Body) -> None:
    keyvalue.shared("strangers")


def _emit(context: Context, body: Body) -> None:
    events.emit("shop.orders.shipped", {"note": body.to})
    events.signal(f"customer/{body.note}")


def _astray(context: Context, body: Body) -> None:
    events.emit(_text(body.to), {})


def _log(context: Context, body: Body) -> None:
    for say in (log.trace, log.debug, log.info, log.warn, log.error):
        say(_text(body.to))


def _chance(context: Context, body: Body) -> None:
    body.note = f"{random.random()}:{hash('a text')}"


def _clock(context: Context, body: Body) -> None:
    body.note = str(time.time_ns() // 1_000_000)


def _count_calls(context: Context, body: Body) -> None:
    body.note = str(_calls)


def _loop(context: Context, body: Body) -> None:
    digest = b""
    while True:
        digest = hashlib.sha256(digest).digest()


def _grow(context: Context, body: Body) -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def _reject(context: Context, body: Body) -> NoReturn:
    raise Rejected(_text(body.to), f"refused: {body.note}", {"note": body.note})


def _retry(context: Context, body: Body) -> NoReturn:
    raise Retry(_text(body.to), _seconds(body.count))


def _wait(context: Context, body: Body) -> NoReturn:
    raise Wait(_text(body.to), _text(body.note), _seconds(body.count))


def _error(context: Context, body: Body) -> NoReturn:
    raise ConnectionError(body.to)


def _panic(context: Context, body: Body) -> None:
    deep(body)


def deep(body: Body) -> NoReturn:
    raise AssertionError(body.to)


def _context(context: Context, body: Body) -> None:
    words: list[Any] = [
        context.global_id,
        context.use_case,
        context.use_case_version,
        context.address,
        context.position,
        context.direction,
        context.attempt,
        context.idempotency_key,
        context.deadline,
        context.signalled,
        context.header("trace", str),
    ]
    failure = context.failure
    if failure is not None:
        words += [failure.position, failure.address, failure.kind, failure.code, failure.reason]
    body.note = " ".join("-" if word is None else str(word) for word in words)


def _text(text: str | None) -> str:
    return text or ""


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


Act = Callable[[Context, Body], Done | None]

_acts: dict[str, Act] = {
    "unchanged": _unchanged,
    "set": _set,
    "remove": _remove,
    "inner": _inner,
    "item": _item,
    "append": _append,
    "drop": _drop,
    "add": _add,
    "increase": _increase,
    "replace": _replace,
    "remember": _remember,
    "config": _config,
    "keyvalue": _keyvalue,
    "shared": _shared,
    "foreign": _foreign,
    "emit": _emit,
    "astray": _astray,
    "log": _log,
    "chance": _chance,
    "clock": _clock,
    "calls": _count_calls,
    "loop": _loop,
    "grow": _grow,
}

_acts_of_both: dict[str, Act] = {
    "reject": _reject,
    "retry": _retry,
    "wait": _wait,
    "error": _error,
    "panic": _panic,
    "context": _context,
}
