"""A step from text to text, in the host made of memory."""

import datetime
import decimal
import gc
import json
import logging
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from saga_step import (
    Context,
    Document,
    Done,
    Failure,
    Id,
    Rejected,
    Retry,
    Step,
    Wait,
    config,
    done,
    events,
    keyvalue,
    log,
    nothing_to_undo,
    replaced,
    unchanged,
)
from saga_step.testing import Line, TestHost


@dataclass
class Order:
    amount: Decimal = Decimal(0)
    account: Id | None = None
    note: str | None = None


def host_for(handle: Callable[..., Any]) -> TestHost:
    return TestHost(Step(handle, nothing_to_undo))


def raising(error: BaseException) -> TestHost:
    def handle(context: Context, order: Order) -> Done:
        raise error

    return host_for(handle)


def test_a_done_body_keeps_what_the_type_does_not_know() -> None:
    def handle(context: Context, order: Order) -> Done:
        order.note = "<paid> & é"
        return done(order)

    body = ' {"z":9007199254740993123, "amount":12.10,"Amount":"not ours","account":42 }'
    want = ' {"z":9007199254740993123, "amount":12.10,"Amount":"not ours","account":42,"note":"<paid> & é" }'
    assert host_for(handle).handle(body).body == want


def test_a_dict_body_keeps_what_was_not_changed() -> None:
    def handle(context: Context, body: dict[str, Any]) -> Done:
        body["lines"][1]["count"] += 1
        body["total"] = body["price"] * 3
        del body["gone"]
        return done(body)

    body = '{"price":0.10, "id":123456789012345678901, "lines":[{"count":1.0},{"x":1e2,"count":1}],"gone":0,"r":1E400}'
    want = (
        '{"price":0.10, "id":123456789012345678901, "lines":[{"count":1.0},{"x":1e2,"count":2}],"r":1E400,"total":0.30}'
    )
    assert host_for(handle).handle(body).body == want


def test_a_step_without_hints_gets_plain_values() -> None:
    def handle(context, body):  # type: ignore[no-untyped-def]
        assert body == {"a": Decimal("1.5"), "b": [1]}
        return unchanged(compensation=body)

    run = host_for(handle).handle('{"a":1.5, "b":[1]}')
    assert run.body == '{"a":1.5, "b":[1]}'
    assert run.done().compensation == '{"a":1.5,"b":[1]}'


def test_a_document_body_is_its_text() -> None:
    def handle(context: Context, body: Document) -> Done:
        body.set("/x", 1)
        return done(body)

    text = ' { "big" : 9007199254740993.10 , "x" : 0 } '
    assert host_for(handle).handle(text).body == text.replace('"x" : 0', '"x" : 1')


def test_replaced_keeps_nothing_and_unchanged_everything() -> None:
    assert host_for(lambda context, body: replaced({"fresh": True})).handle(' {"a":1}').body == '{"fresh":true}'
    assert host_for(lambda context, body: unchanged()).handle(' {"a":1}').body == ' {"a":1}'


@pytest.mark.parametrize("body", ['{"amount":true}', '{"account":1.5}', "[]", '"x"', '{"note":1}'])
def test_a_body_of_another_type_is_refused_for_good(body: str) -> None:
    def handle(context: Context, order: Order) -> Done:
        return unchanged()

    refused = host_for(handle).handle(body).rejected()
    assert refused.code == "invalid-body"
    assert "is not what test.step.here reads" in refused.reason


def test_a_log_of_another_type_is_refused_for_good() -> None:
    def compensate(context: Context, order: Order, left: Decimal | None) -> Done:
        order.note = str(left)
        return done(order)

    host = TestHost(Step(lambda context, body: unchanged(), compensate))
    assert host.compensate("{}", '{"a":1}').rejected().code == "invalid-compensation-log"
    assert host.compensate("{}", "0.10").body == '{"note":"0.10"}'
    assert host.compensate("{}").body == '{"note":"None"}'


def test_nesting_without_end_is_refused_for_good() -> None:
    def handle(context: Context, body: dict[str, Any]) -> Done:
        return unchanged()

    host = host_for(handle)
    outcome = host._step.call(host._context, "[" * 100_000 + "]" * 100_000, None)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "invalid-body"


def test_exceptions_become_answers() -> None:
    retry = raising(ConnectionError("no route")).handle("{}").retry()
    assert retry.reason.startswith("ConnectionError: no route\n")
    assert retry.after_ms is None
    refused = raising(Rejected("no-money", "3 are missing", [3])).handle("{}").rejected()
    assert (refused.code, refused.reason, refused.details) == ("no-money", "3 are missing", "[3]")
    assert raising(Retry("later", 0.29)).handle("{}").retry().after_ms == 290
    assert raising(Retry("later", datetime.timedelta(days=100))).handle("{}").retry().after_ms == 2**32 - 1
    wait = raising(Wait("customer/42", "is not there", timeout=60)).handle("{}").waits()
    assert (wait.key, wait.reason, wait.timeout_ms) == ("customer/42", "is not there", 60_000)


def test_an_answer_may_be_the_cause_of_another_exception() -> None:
    def handle(context: Context, order: Order) -> Done:
        try:
            raise Rejected("closed", "the account is closed")
        except Rejected as refused:
            raise ValueError("cannot charge") from refused

    assert host_for(handle).handle("{}").rejected().code == "closed"

    def other(context: Context, order: Order) -> Done:
        try:
            raise Rejected("closed", "the account is closed")
        except Rejected:
            raise ValueError("while handling it") from None

    assert "while handling it" in host_for(other).handle("{}").retry().reason


@pytest.mark.parametrize("error", [Rejected("no", "no"), Retry("later"), Wait("key", "not yet"), ValueError("odd")])
def test_an_answer_that_was_raised_leaves_no_garbage(error: BaseException) -> None:
    bodies = []

    def handle(context: Context, order: Order) -> Done:
        bodies.append(weakref.ref(order))
        try:
            raise KeyError(order)
        except KeyError as cause:
            raise type(error)(*error.args) from cause

    gc.disable()
    try:
        host_for(handle).handle("{}")
        assert [body() for body in bodies] == [None], "a ring of references keeps the body until somebody looks for it"
    finally:
        gc.enable()


def test_an_unexpected_exception_tells_what_and_where() -> None:
    def handle(context: Context, order: Order) -> Done:
        try:
            deep()
        except ArithmeticError as error:
            raise RuntimeError("no paper") from error
        return unchanged()

    def deep() -> None:
        raise ZeroDivisionError("no ink")

    reason = host_for(handle).handle("{}").retry().reason
    lines = reason.splitlines()
    assert lines[:2] == ["RuntimeError: no paper", "because of ZeroDivisionError: no ink"]
    assert lines[-1].startswith(f'  File "{__file__}", line ')
    assert lines[-1].endswith(", in handle")
    assert "saga_step" not in "".join(lines[2:]).replace(__file__, "")


def test_a_reason_is_bounded_and_keeps_the_end_of_its_trace() -> None:
    def handle(context: Context, order: Order) -> Done:
        return fall(100)

    def fall(depth: int) -> Done:
        if depth == 0:
            bottom()
        return fall(depth - 1)

    def bottom() -> None:
        raise RuntimeError("x" * 10_000)

    reason = host_for(handle).handle("{}").retry().reason
    assert len(reason.encode()) < 4096
    assert reason.endswith("in bottom")


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), MemoryError("full"), RecursionError("deep")])
def test_no_exception_leaves_a_call(error: BaseException) -> None:
    assert type(error).__name__ in raising(error).handle("{}").retry().reason


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "returned nothing"),
        ({"a": 1}, "returned a dict"),
        (Rejected("a", "b"), "raise it"),
    ],
)
def test_what_is_no_answer_is_told(answer: Any, words: str) -> None:
    assert words in host_for(lambda context, body: answer).handle("{}").retry().reason


def test_what_cannot_be_written_is_told_where_it_was_handed_over() -> None:
    def handle(context: Context, body: dict[str, Any]) -> Done:
        return done({"a": {1, 2}})

    reason = host_for(handle).handle("{}").retry().reason
    assert reason.startswith("TypeError: the body cannot be written as JSON at /a: a value of type set has no place")
    assert reason.endswith("in handle")


def test_decimals_are_computed_with_38_digits_whatever_the_context_is() -> None:
    def handle(context: Context, order: Order) -> Done:
        decimal.getcontext().prec = 3
        return done(order)

    def add(context: Context, order: Order) -> Done:
        order.amount += Decimal("0.01")
        return done(order)

    host_for(handle).handle("{}").done()
    assert decimal.getcontext().prec == 28
    body = '{"amount":123456789012345678901234567890123456.01}'
    assert host_for(add).handle(body).body == body.replace(".01", ".02")


def everything(context: Context, order: Order) -> Done:
    own = keyvalue.own()
    total = own.get_json("sum", Decimal, Decimal(0)) + order.amount
    log.info("amount %s", order.amount)
    logging.getLogger("bank").warning("asked %d", 1)
    own.set_json("sum", total)
    events.emit("a.b.c.in", {"a": "<"})
    events.signal("k/1")
    limit = config.parse("limit", Decimal)
    if limit is not None and total > limit:
        raise Rejected("limit", f"{total} is above {limit}")
    return done(order)


def test_effects_stay_only_if_the_answer_is_done() -> None:
    host = host_for(everything).config("limit", "10").shared("orders")
    run = host.handle({"amount": Decimal(5)})
    run.done()
    assert [event.body for event in run.events] == ['{"a":"<"}']
    assert run.signals == ["k/1"]
    assert run.logs == [
        Line("info", "test_step.everything", "amount 5"),
        Line("warn", "bank", "asked 1"),
    ]
    assert host.value("sum", Decimal) == 5
    refused = host.handle({"amount": 6})
    assert refused.rejected().code == "limit"
    assert (refused.events, refused.signals) == ([], [])
    assert refused.logged("amount 6")
    assert host.value("sum", Decimal) == 5


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python reads no TOML before 3.11")
def test_what_the_manifest_does_not_grant_is_refused() -> None:
    host = host_for(everything).manifest_in(Path(__file__).parent / "data")
    assert host._context.address == "shop.test.step"
    reason = host.handle('{"amount":1}').retry().reason
    assert "the topic is refused: a.b.c.in is not among" in reason

    def strangers(context: Context, body: Any) -> Done:
        assert config.get_all() == {"limit": "100"}
        keyvalue.shared("orders").set("a", b"1")
        keyvalue.shared("strangers")
        return unchanged()

    host = host_for(strangers).manifest_in(Path(__file__).parent / "data")
    assert "there is no bucket 'strangers'" in host.handle("{}").retry().reason


def test_a_bucket_does_what_it_is_asked() -> None:
    def handle(context: Context, body: Any) -> Done:
        bucket = keyvalue.shared("orders")
        for index in range(10):
            bucket.set(f"k{index}", bytes([index]))
        bucket.delete("k3")
        bucket.delete("none")
        assert bucket.exists("k2")
        assert not bucket.exists("k3")
        assert bucket.get("k9") == b"\x09"
        assert bucket.get("none") is None
        assert bucket.get_json("none", int) is None
        assert bucket.keys() == sorted(f"k{index}" for index in range(10) if index != 3)
        bucket.set_json("broken", {"a": 1})
        bucket.get_json("broken", int)
        return unchanged()

    run = host_for(handle).shared("orders").handle("{}")
    assert "the value under key broken cannot be read: a whole number is expected" in run.retry().reason


kept = keyvalue.own()


def test_a_bucket_that_is_kept_is_that_of_each_call() -> None:
    def handle(context: Context, body: Any) -> Done:
        kept.set_json("count", kept.get_json("count", int, 0) + 1)
        return unchanged()

    first, second = host_for(handle), host_for(handle)
    first.handle("{}").done()
    first.handle("{}").done()
    second.handle("{}").done()
    assert (first.value("count"), second.value("count")) == (2, 1)
    assert first.bucket() == {"count": b"2"}
    with pytest.raises(RuntimeError, match="there is no host here"):
        kept.get("count")


def test_a_mistake_in_the_configuration_is_told_with_its_cure() -> None:
    def handle(context: Context, body: Any) -> Done:
        config.parse("limit", Decimal)
        return unchanged()

    reason = host_for(handle).config("limit", "many").handle("{}").retry().reason
    assert "`many` under [config] limit cannot be read; correct the step's manifest" in reason


def test_levels_of_logging_are_those_of_the_host() -> None:
    def handle(context: Context, body: Any) -> Done:
        for level in (log.TRACE, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            logging.getLogger("x").log(level, "a")
        for say in (log.trace, log.debug, log.info, log.warn, log.error):
            say("100 %")
        return unchanged()

    run = host_for(handle).handle("{}")
    levels = [line.level for line in run.logs]
    assert levels == ["trace", "debug", "info", "warn", "error", "critical", "trace", "debug", "info", "warn", "error"]
    assert logging.getLogger().level == logging.WARNING


def test_undo_hands_back_body_log_and_failure() -> None:
    seen = []

    def compensate(context: Context, order: Order, left: Decimal | None) -> Done:
        seen.append((context.direction.value, context.idempotency_key, context.failure, order.amount, left))
        return done(order)

    host = TestHost(Step(lambda context, body: done(body, compensation=Decimal("0.10")), compensate))
    host.context(position=2, global_id="s-1")
    host.undo(host.handle('{"amount":7}')).done()
    failure = Failure(3, "test.step.later", "rejected", "refused", "a later step refused")
    assert seen == [("compensate", "s-1/compensate/2", failure, Decimal(7), Decimal("0.10"))]


def test_headers_are_read_by_name() -> None:
    def handle(context: Context, body: Any) -> Done:
        assert context.header("trace", str) == "é"
        assert context.header("trace", int) is None
        assert context.header("none") is None
        return unchanged()

    host_for(handle).context(headers=(("trace", '"é"'),)).handle("{}").done()


def test_the_host_of_a_test_is_as_strict_as_a_host() -> None:
    host = host_for(lambda context, body: unchanged())
    with pytest.raises(AssertionError, match="this is no JSON"):
        host.handle("{")
    with pytest.raises(AssertionError, match=r"expected rejected for body \{\}, got Finished"):
        host.handle("{}").rejected()


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ({}, "no function `handle`"),
        ({"handle": lambda context, body: None}, "nothing_to_undo"),
        ({"handle": lambda body: None, "compensate": nothing_to_undo}, "must take context, body"),
    ],
)
def test_what_is_no_step_is_told_with_what_to_do(module: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        TestHost(type("module", (), {name: staticmethod(function) for name, function in module.items()}))


def test_an_async_step_is_told_with_what_to_do() -> None:
    async def handle(context: Context, body: Any) -> Done:
        return unchanged()

    with pytest.raises(TypeError, match="make it `def handle`"):
        host_for(handle)


def test_half_a_pair_of_utf_16_goes_on_as_an_escape() -> None:
    def handle(context: Context, body: dict[str, Any]) -> Done:
        body["note"] = body["to"]
        return done(body)

    body = host_for(handle).handle('{"to":"\\ud800 é"}').body
    assert body == '{"to":"\\ud800 é","note":"\\ud800 é"}'
    assert json.loads(body)["note"] == "\ud800 é"
