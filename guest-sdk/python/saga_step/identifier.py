"""Identifiers as they come in the wild. Knows nothing of steps."""


class Id(str):
    """An identifier: one producer writes "42", another 42. It is a text, and is written back as it came.

    It is read from a JSON text that is not empty or from a whole number of any length. Two ids are equal if they say
    the same: `Id(42) == Id("42") == "42"`.
    """

    __slots__ = ("plain",)

    plain: str | int
    """The text or the number that it was."""

    def __new__(cls, value: str | int) -> "Id":  # noqa: D102, PYI034 - Self came with Python 3.11
        # A truth value is an int of Python's, and no identifier.
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise TypeError(f"an identifier is a text or a whole number, not {value!r:.40}")
        if value == "":
            raise ValueError("an identifier must not be empty")
        made = super().__new__(cls, value)
        made.plain = value
        return made

    def __reduce__(self) -> tuple[type["Id"], tuple[str | int]]:
        return Id, (self.plain,)

    def __repr__(self) -> str:
        return f"Id({self.plain!r})"
