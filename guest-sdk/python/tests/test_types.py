"""From JSON to types and back."""

import datetime
import enum
import pickle
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional, TypedDict, Union

import pytest

from saga_step import Document, Id, Member, _jsontext, _reading, _writing


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Plain(TypedDict, total=False):
    amount: Decimal


class Needy(TypedDict):
    amount: Decimal


@dataclass
class Tree:
    name: str
    children: "list[Tree]" = field(default_factory=list)


@dataclass
class Checked:
    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("a count is not below nought")


@dataclass
class Named:
    order_id: Annotated[Id, Member("order-id")]
    made: int = field(default=0, init=False)


GOOD = [
    (int, "-12", -12),
    (int, "123456789012345678901234567890", 123456789012345678901234567890),
    (float, "1", 1.0),
    (float, "1.5e3", 1500.0),
    (bool, "true", True),
    (str, '"\\u00e9"', "é"),
    (Decimal, "12.10", Decimal("12.10")),
    (Decimal, "7", Decimal(7)),
    (Decimal, '"12.10"', Decimal("12.10")),
    (Id, '"o-1"', "o-1"),
    (Id, "42", "42"),
    (Colour, '"red"', Colour.RED),
    (Colour, "1", Colour.ONE),
    (Literal["a", 1], "1", 1),
    (list[int], "[1,2]", [1, 2]),
    (tuple[int, ...], "[1,2]", (1, 2)),
    (dict[str, Decimal], '{"a":1.50}', {"a": Decimal("1.50")}),
    (dict, '{"a":1.50}', {"a": Decimal("1.50")}),
    (Any, '{"a":[1,2.0,null]}', {"a": [1, Decimal("2.0"), None]}),
    (Optional[int], "null", None),
    (int | None, "3", 3),
    (Union[int, str], '"x"', "x"),
    (Union[Tree, list[int]], "[1]", [1]),
    (Plain, '{"amount":1.5,"x":[]}', {"amount": Decimal("1.5"), "x": []}),
    (Tree, '{"name":"a","children":[{"name":"b"}],"x":1}', Tree("a", [Tree("b")])),
    (Annotated[int, "words"], "1", 1),
    (datetime.datetime, '"2030-01-01T00:00:00Z"', datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)),
    (datetime.date, '"2030-01-01"', datetime.date(2030, 1, 1)),
    (uuid.UUID, '"12345678-1234-5678-1234-567812345678"', uuid.UUID(int=0x12345678123456781234567812345678)),
    (Document, ' {"a": 1.0}', Document(' {"a": 1.0}')),
    (Document | None, "null", Document("null")),
    (type(None), "null", None),
]


@pytest.mark.parametrize(("kind", "text", "want"), GOOD, ids=[f"{kind}-{text}" for kind, text, _ in GOOD])
def test_values_are_read_as_their_type(kind: Any, text: str, want: Any) -> None:
    got = _reading.read(kind, text)
    assert got == want
    assert type(got) is type(want) or kind is Id


BAD = [
    (int, "1.0", "a whole number is expected, not 1.0"),
    (int, "true", "a whole number is expected, not true"),
    (float, '"1"', "a number is expected"),
    (float, "1" * 400, "a number is expected"),
    (bool, "1", "true or false is expected, not 1"),
    (str, "null", "a text is expected, not null"),
    (Decimal, "true", "a decimal number is expected"),
    (Decimal, '"1_0"', "a decimal number is expected"),
    (Decimal, '"nan"', "a decimal number is expected"),
    (Decimal, '" 1"', "a decimal number is expected"),
    (Id, "1.5", "an identifier"),
    (Id, '""', "an identifier"),
    (Id, "true", "an identifier"),
    (Colour, "true", "one of red, 1 is expected, not true"),
    (Literal["a"], '"b"', 'one of "a" is expected, not "b"'),
    (list[int], '[1,"x"]', "/1: a whole number"),
    (list[int], "{}", "a list is expected, not an object"),
    (dict[str, int], '{"a/b":null}', "/a~1b: a whole number"),
    (dict, "[]", "an object is expected, not a list"),
    (Optional[int], '"x"', "a whole number"),
    (Union[int, bool], '"x"', "none of its types fits: a whole number is expected"),
    (Tree, '{"name":"a","children":[{"name":1}]}', "/children/0/name: a text is expected, not 1"),
    (Tree, "{}", 'member "name" is missing'),
    (Needy, "{}", 'member "amount" is missing'),
    (Checked, '{"count":-1}', "a count is not below nought"),
    (datetime.datetime, '"soon"', "a moment such as"),
    (uuid.UUID, '"x"', "a UUID is expected"),
    (Any, "{", "no JSON"),
    (Any, "NaN", "NaN is no JSON"),
    (int, f'"{"x" * 100}"', "a whole number is expected, not " + '"' + "x" * 39 + "…"),
]


@pytest.mark.parametrize(("kind", "text", "words"), BAD, ids=[f"{kind}-{text[:20]}" for kind, text, _ in BAD])
def test_what_is_no_value_of_a_type_is_told_with_its_place(kind: Any, text: str, words: str) -> None:
    with pytest.raises(_jsontext.NotReadable) as error:
        _reading.read(kind, text)
    assert str(error.value).startswith(words)


@pytest.mark.parametrize("kind", [set[int], bytes, dict[int, str], tuple[int, str], object(), "Later"])
def test_a_hint_that_json_cannot_fit_is_a_mistake_of_the_authors(kind: Any) -> None:
    with pytest.raises(TypeError, match="cannot be read from JSON"):
        _reading.reader(kind)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "12.10",
        "-0.50",
        "9007199254740993",
        "0.00000000000000000001",
        "-123456789012345678901.5",
        '{"b":[1,2.50],"a":null,"2":1,"1":2}',
        '"ü € 😀 \\"quoted\\" \\\\ <&> \\u0001"',
        '"\\ud800"',
        "[[],{},[{}]]",
        "true",
    ],
)
def test_plain_values_are_written_as_they_were_read(text: str) -> None:
    assert _jsontext.write(_jsontext.read(text)) == text


def test_numbers_that_python_cannot_hold_are_handed_on() -> None:
    many = "7" * 5_000
    text = f'{{"a":{many},"b":1e99999999999999999999,"c":1.50}}'
    assert _jsontext.write(_jsontext.read(text)) == text
    with pytest.raises(_jsontext.NotReadable, match="a whole number is expected"):
        _reading.read(dict[str, int], text)


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+3", "1000"), ("1.25E+1", "12.5"), ("5E-10", "0.0000000005"), ("1E+400", "1E+400"), ("0E-7", "0.0000000")],
)
def test_decimals_are_written_as_in_the_other_languages(number: str, text: str) -> None:
    assert _jsontext.write(Decimal(number)) == text


def test_values_of_many_types_are_written() -> None:
    class Exact(Decimal):
        pass

    class Whole(int):
        pass

    body = {
        "order": Named(Id(7)),
        "colour": [Colour.RED, Colour.ONE],
        Colour.RED: (1, 2.5),
        "day": datetime.date(2030, 1, 1),
        "moment": datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc),
        "uuid": uuid.UUID(int=1),
        "document": Document('{"x": 1.50}'),
        "own": [Exact("1.50"), Whole(3), Id("x")],
    }
    assert _writing.text(body, "it") == (
        '{"order":{"order-id":7,"made":0},"colour":["red",1],"red":[1,2.5],"day":"2030-01-01",'
        '"moment":"2030-01-01T00:00:00+00:00","uuid":"00000000-0000-0000-0000-000000000001",'
        '"document":{"x":1.50},"own":[1.50,3,"x"]}'
    )


def test_what_cannot_be_written_is_told_with_its_place() -> None:
    holds_itself: list[Any] = []
    holds_itself.append(holds_itself)
    for value, words in [
        ({"a": [1, {1, 2}]}, "the body cannot be written as JSON at /a/1: a value of type set has no place in JSON"),
        ({"a": {1: 2}}, "at /a: the key 1 is of type int"),
        ([float("nan")], "at /0: nan is no number of JSON"),
        (Decimal("Infinity"), "Infinity is no number of JSON"),
        ([b"x"], "at /0: a value of type bytes has no place"),
        (holds_itself, "holds itself"),
    ]:
        with pytest.raises((TypeError, ValueError), match=words):
            _writing.plain(value, "the body")


def test_a_member_whose_default_is_none_is_left_out_while_it_is_none() -> None:
    @dataclass
    class Note:
        always: int | None
        text: str | None = None

    assert _writing.text(Note(None), "it") == '{"always":null}'
    assert _writing.text(Note(None, "x"), "it") == '{"always":null,"text":"x"}'


def test_ids_are_texts_and_go_out_as_they_came() -> None:
    number, text = Id(42), Id("42")
    assert number == text == "42"
    assert {str(number): 1}[text] == 1
    assert f"customer/{number}" == "customer/42"
    assert (_writing.text(number, "it"), _writing.text(text, "it")) == ("42", '"42"')
    assert _writing.text(pickle.loads(pickle.dumps(number)), "it") == "42"
    for bad in ["", True, 1.5, None]:
        with pytest.raises((TypeError, ValueError)):
            Id(bad)  # type: ignore[arg-type]


def test_a_document_changes_only_what_is_set_or_deleted() -> None:
    document = Document.parse('{"z":1.10, "lines":[{"n":1.0},{"n":2.0}], "a/b":null}')
    assert document.get("/lines/1/n", Decimal) == Decimal("2.0")
    assert "/lines/0/n" in document
    assert "/lines/2" not in document
    assert document.get("/none", int, 7) == 7
    assert document.text_at("/z") == "1.10"
    document.set("/lines/1/n", 7)
    assert document.delete("/lines/0")
    document.set("/a~1b", "x")
    document.set("/lines/-", True)
    document.set("/new", [])
    assert str(document) == '{"z":1.10, "lines":[{"n":7},true], "a/b":"x","new":[]}'
    assert not document.delete("/none")
    assert document.delete("/new")
    assert document.delete("/z")
    assert str(document) == '{"lines":[{"n":7},true], "a/b":"x"}'


def test_a_document_says_what_it_cannot_do() -> None:
    document = Document('{"a":{},"l":[1]}')
    for pointer, words in [("/none/x", "there is nothing at '/none'"), ("/l/5", "or - for"), ("x", "begins with /")]:
        with pytest.raises(KeyError, match=words):
            document.set(pointer, 1)
    with pytest.raises(KeyError, match=r"saga_step\.replaced"):
        document.delete("")
    with pytest.raises(ValueError, match="the value at /a: a whole number is expected"):
        document.get("/a", int)
    with pytest.raises(ValueError, match="no JSON"):
        Document.parse("{")
    assert Document('{"x":1,"x":2}').get("/x") == 2
    assert Document("[1,2]").get("/01") is None


@pytest.mark.parametrize("pair", ["[]", '{"a":}', '[{"\\"]":[]}]'])
def test_how_deep_a_text_may_be_nested(pair: str) -> None:
    def nested(depth: int) -> str:
        if pair.startswith("[{"):
            return '[{"\\"]":' * (depth // 2) + "[]" + "}]" * (depth // 2)
        opening, closing = ("[", "]") if pair == "[]" else ('{"a":', "}")
        return opening * (depth - 1) + opening[0] + closing * depth

    value = _jsontext.read(nested(_jsontext.DEPTH_MAX - 2))
    assert _writing.plain(value, "it") == value
    for depth in (_jsontext.DEPTH_MAX + 4, 100_000):
        with pytest.raises(_jsontext.NotReadable, match="nested deeper than 400 levels"):
            _jsontext.read(nested(depth))


def test_brackets_beside_each_other_and_in_texts_are_not_deep() -> None:
    text = "[" + ",".join(['{"a":["[[[["]}'] * 5_000) + "]"
    assert len(_jsontext.read(text)) == 5_000
    with pytest.raises(_jsontext.NotReadable, match="no JSON"):
        _jsontext.read("]" * 1_000 + "[" * 1_000)
