"""What a step did not touch, character for character."""

import json
import random
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from saga_step import _jsontext, _reading, _splice, _writing


def step(kind: Any, raw: str, change: Any) -> str:
    """Reads `raw` as `kind`, lets `change` work on it and says what goes on."""
    value = _reading.read(kind, raw)
    before = _writing.plain(value, "the body")
    after = change(value)
    return _splice.merge(raw, before, _writing.plain(value if after is None else after, "the body"))


CASES = [
    (
        "untouched",
        ' {"z" : 9007199254740993,\n "a":1.0 }\n',
        '{"a":1}',
        '{"a":1}',
        ' {"z" : 9007199254740993,\n "a":1.0 }\n',
    ),
    (
        "changed",
        '{"z":18446744073709551616123, "s":"new", "a":-0.0}',
        '{"s":"new"}',
        '{"s":"paid"}',
        '{"z":18446744073709551616123, "s":"paid", "a":-0.0}',
    ),
    ("default not added", '{"a":1,"keep":1}', '{"a":1,"s":""}', '{"a":2,"s":""}', '{"a":2,"keep":1}'),
    (
        "new at the end",
        '{"a":1,\n"keep":1\n}',
        '{"a":1}',
        '{"a":1,"n":"x","m":2}',
        '{"a":1,\n"keep":1,"n":"x","m":2\n}',
    ),
    ("first removed", '{ "a":1, "b":2, "c":3 }', '{"a":1,"b":2,"c":3}', '{"b":2,"c":3}', '{ "b":2, "c":3 }'),
    ("middle removed", '{ "a":1, "b":2, "c":3 }', '{"a":1,"b":2,"c":3}', '{"a":1,"c":3}', '{ "a":1, "c":3 }'),
    ("last removed", '{ "a":1, "b":2 }', '{"a":1,"b":2}', '{"a":1}', '{ "a":1 }'),
    ("only one removed", '{"a":1}', '{"a":1}', "{}", "{}"),
    ("into an empty object", "{ }", "{}", '{"a":1,"b":"x"}', '{"a":1,"b":"x"}'),
    (
        "in the place of a null the type leaves out",
        '{"note":null,"a":1}',
        '{"a":1}',
        '{"a":1,"note":"n"}',
        '{"note":"n","a":1}',
    ),
    (
        "escaped key",
        '{"\\u0061mount":1.00,"caf\\u00e9":1.00}',
        '{"amount":1}',
        '{"amount":2}',
        '{"\\u0061mount":2,"caf\\u00e9":1.00}',
    ),
    ("key twice", '{"x":1.0,"x":2.0}', '{"x":2}', '{"x":3}', '{"x":1.0,"x":3}'),
    (
        "nested",
        '{"o":{"vip":true,"name":"x","s":0.50}}',
        '{"o":{"name":"x"}}',
        '{"o":{"name":"y"}}',
        '{"o":{"vip":true,"name":"y","s":0.50}}',
    ),
    (
        "element changed",
        '[{"i":1,"p":1.10}, {"i":2,"p":2.20}]',
        '[{"i":1},{"i":2}]',
        '[{"i":1},{"i":7}]',
        '[{"i":1,"p":1.10}, {"i":7,"p":2.20}]',
    ),
    (
        "element removed",
        '[{"i":1,"p":1.10}, {"i":2,"p":2.20}]',
        '[{"i":1},{"i":2}]',
        '[{"i":2}]',
        '[{"i":2,"p":2.20}]',
    ),
    (
        "element added before",
        '[{"i":1,"p":1.10}]',
        '[{"i":1}]',
        '[{"i":9},{"i":1}]',
        '[{"i":9},{"i":1,"p":1.10}]',
    ),
    (
        "elements moved",
        '[{"i":1,"p":1.10}, {"i":2,"p":2.20}]',
        '[{"i":1},{"i":2}]',
        '[{"i":2},{"i":1}]',
        '[{"i":2,"p":2.20}, {"i":1,"p":1.10}]',
    ),
    (
        "elements alike",
        '[{"i":1,"p":1}, {"i":1,"p":2}]',
        '[{"i":1},{"i":1}]',
        '[{"i":5},{"i":1},{"i":1}]',
        '[{"i":5},{"i":1,"p":2},{"i":1,"p":1}]',
    ),
    ("another kind", '{"a":{"b":1.0}}', '{"a":{"b":1}}', '{"a":null}', '{"a":null}'),
    ("a scalar", " [1.0] ", "[1]", "1", " 1 "),
    ("digits only", '{"a":1.0,"b":1.50}', '{"a":1.0}', '{"a":1.00}', '{"a":1.00,"b":1.50}'),
    ("a number for a truth", '{"a":true}', '{"a":true}', '{"a":1}', '{"a":1}'),
    (
        "tabs and line ends",
        '{\t"a"\r\n:\t1\t,\n"b":[\n1\n,\n2\n]}',
        '{"a":1,"b":[1,2]}',
        '{"a":2,"b":[1,3]}',
        '{\t"a"\r\n:\t2\t,\n"b":[\n1\n,\n3\n]}',
    ),
    (
        "brackets in texts",
        '{"a":"}],[{\\"","b":[["]"],"["]}',
        '{"a":"}],[{\\"","b":[["]"],"["]}',
        '{"a":"}],[{\\"","b":[["]"],"]"]}',
        '{"a":"}],[{\\"","b":[["]"],"]"]}',
    ),
]


@pytest.mark.parametrize(("raw", "before", "after", "want"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_what_was_not_touched_stays(raw: str, before: str, after: str, want: str) -> None:
    assert _splice.merge(raw, _jsontext.read(before), _jsontext.read(after)) == want


def value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(7 if depth else 5)
    if kind == 0:
        return None
    if kind == 1:
        return chance.random() < 0.5
    if kind == 2:
        return chance.randrange(-1000, 1000)
    if kind == 3:
        return Decimal(chance.randrange(-1000, 1000)).scaleb(-chance.randrange(1, 4))
    if kind == 4:
        return chance.choice(["", "a", '"', "\\", "},{", "[é]", "a:b", "\u0001"])
    if kind == 5:
        return [value(chance, depth - 1) for _ in range(chance.randrange(5))]
    return {f'k{chance.randrange(6)}"': value(chance, depth - 1) for _ in range(chance.randrange(5))}


def pretty(text: str) -> str:
    """The same with spaces around everything, and with its digits."""
    return (
        json.dumps(
            json.loads(text, parse_float=lambda digits: f"#{digits}#", parse_int=lambda digits: f"#{digits}#"),
            indent=2,
            separators=(" , ", " : "),
            ensure_ascii=False,
        )
        .replace('"#', "")
        .replace('#"', "")
    )


def test_what_goes_on_means_what_the_step_wrote() -> None:
    """A type that knows every member: whatever the step did."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for _ in range(5_000):
        raw, after = value(chance, 4), value(chance, 4)
        came = _jsontext.write(raw)
        if chance.random() < 0.5:
            came = pretty(came)
        got = _splice.merge(came, raw, after)
        assert repr(sorted_(_jsontext.read(got))) == repr(sorted_(after)), f"seed {seed}: {came} became {got}"


def sorted_(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_(value[key]) for key in sorted(value)}
    return [sorted_(inner) for inner in value] if isinstance(value, list) else value


@dataclass
class Order:
    amount: int
    status: str = ""


def test_unknown_members_survive_any_change() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for _ in range(500):
        unknown = [f'"u{index}":{chance.randrange(10**30)}.{chance.randrange(10**20)}' for index in range(6)]
        unknown.insert(chance.randrange(len(unknown) + 1), '"amount":1')
        raw = "{" + ", ".join(unknown) + "}"
        amount = chance.randrange(-(10**9), 10**9)

        def change(order: Order, amount: int = amount) -> None:
            order.amount = amount

        want = raw.replace('"amount":1', f'"amount":{amount}')
        assert step(Order, raw, change) == want, f"seed {seed}"


def test_a_mebibyte_is_spliced_at_the_speed_of_the_scanner() -> None:
    """Against reading the same text with `json` here and now: a walk by characters would take hundreds of it."""
    row = '{"id":%d,"price":%d.50,"name":"é %d","tags":["a","b"]}'
    rows = ",".join(row.replace("%d", str(index)) for index in range(18_000))
    raw = f'{{"rows":[{rows}],"note":"x"}}'
    assert len(raw) > 2**20
    before = _jsontext.read(raw)
    after = _jsontext.read(raw)
    after["rows"][9_000]["name"] = "new"
    after["note"] = "y"
    began = time.perf_counter()
    for _ in range(3):
        _jsontext.read(raw)
    reading = (time.perf_counter() - began) / 3
    began = time.perf_counter()
    got = _splice.merge(raw, before, after)
    took = time.perf_counter() - began
    assert got == raw.replace('"é 9000"', '"new"').replace('"note":"x"', '"note":"y"')
    assert took < 12 * reading, f"{took * 1e3:.0f} ms, reading takes {reading * 1e3:.0f} ms"
