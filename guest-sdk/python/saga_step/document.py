"""A body as its text, for a step that wants no type of its own. Knows JSON only, nothing of steps."""

from typing import Any

from saga_step import _jsontext, _reading, _splice, _writing


class Document(_jsontext.Kept):
    """A body as its text: what is not set or deleted stays as it came, digit for digit and in its order.

    Use it as the type of a step's body:

        def handle(context: Context, order: Document) -> Done:
            amount = order.get("/amount", Decimal)
            order.set("/paid", True)
            return done(order)

    Places are JSON pointers (RFC 6901): /lines/0/item; the empty pointer is the whole.
    """

    __slots__ = ()

    def __init__(self, text: str) -> None:
        super().__init__(text)

    @classmethod
    def parse(cls, text: str) -> "Document":
        """A document of a text that may be no JSON: then it raises `ValueError`."""
        try:
            _jsontext.read(text)
        except _jsontext.NotReadable as error:
            raise ValueError(f"the text is no JSON: {error}") from None
        return cls(text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Document({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.text == other.text

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __contains__(self, pointer: str) -> bool:
        """Whether there is a value at a place."""
        return self._find(pointer) is not None

    def get(self, pointer: str, kind: Any = Any, default: Any = None) -> Any:
        """The value at a place, read as the body of a step is; `default` if there is none.

        Raises `ValueError` if there is one that is not of this kind.
        """
        found = self._find(pointer)
        if found is None:
            return default
        try:
            return _reading.read(kind, self.text[found[0] : found[1]])
        except _jsontext.NotReadable as error:
            raise ValueError(f"the value at {pointer}: {error}") from None

    def text_at(self, pointer: str) -> str | None:
        """The JSON text at a place; None if there is none."""
        found = self._find(pointer)
        return None if found is None else self.text[found[0] : found[1]]

    def set(self, pointer: str, value: Any) -> None:
        """Put a value at a place: in the place of what stands there, as a new last member of an object, or, with the
        index "-", as a new last element of an array. The object or array around it must be there: otherwise `KeyError`.
        """
        text = _writing.text(value, f"the value for {pointer}")
        found = self._find(pointer)
        if found is not None:
            self.text = self.text[: found[0]] + text + self.text[found[1] :]
        else:
            self._add(pointer, text)

    def delete(self, pointer: str) -> bool:
        """Take the member of an object away, or the element of an array; False if there was none."""
        found = self._find(pointer)
        if found is None:
            return False
        if pointer == "":
            raise KeyError("the whole document cannot be deleted; use saga_step.replaced for another body")
        around = self._find(_split(pointer)[0])
        assert around is not None, "what holds a value is there"
        parts = self._parts(around[0])
        index = next(index for index, part in enumerate(parts) if part.end == found[1])
        start, end = parts[index].start, parts[index].end
        if index > 0:
            start = parts[index - 1].end
        elif len(parts) > 1:
            end = parts[1].start
        self.text = self.text[:start] + self.text[end:]
        return True

    def _add(self, pointer: str, text: str) -> None:
        """Put a text behind the last part of the object or array that the pointer leads into."""
        around, name = _split(pointer)
        outer = self._find(around)
        if outer is None:
            raise KeyError(f"nothing can be set at {pointer}: there is nothing at {around!r}")
        start = outer[0]
        if self.text[start] == "{":
            text = f"{_jsontext.write(name)}:{text}"
        elif self.text[start] != "[" or name != "-":
            raise KeyError(f"nothing can be set at {pointer}: write the index of an element, or - for a new last one")
        parts = self._parts(start)
        at = parts[-1].end if parts else start + 1
        self.text = f"{self.text[:at]}{',' if parts else ''}{text}{self.text[at:]}"

    def _parts(self, start: int) -> list[_splice.Entry]:
        """The members or elements of the value at a place of the text."""
        if self.text[start] == "{":
            return _splice.members(self.text, start)
        return _splice.elements(self.text, start) if self.text[start] == "[" else []

    def _find(self, pointer: str) -> tuple[int, int] | None:
        """Where the value at a pointer stands."""
        span = _splice.value_at(self.text)
        if pointer == "":
            return span
        if not pointer.startswith("/"):
            raise KeyError(f"{pointer!r} is no JSON pointer: it begins with /")
        for name in pointer[1:].split("/"):
            child = self._child(span[0], _unescape(name))
            if child is None:
                return None
            span = (child.value_start, child.end)
        return span

    def _child(self, start: int, name: str) -> _splice.Entry | None:
        """A member by name or an element by index. Of a key that stands twice, the last one counts."""
        parts = self._parts(start)
        if self.text[start] == "{":
            return next((part for part in reversed(parts) if part.key == name), None)
        is_index = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0")
        return parts[int(name)] if is_index and int(name) < len(parts) else None


def _split(pointer: str) -> tuple[str, str]:
    """What leads to the value around, and the last name."""
    around, _, name = pointer.rpartition("/")
    return around, _unescape(name)


def _unescape(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
