"""How the members of a JSON object are called, where that is no name of Python's. Read by the reader and the writer."""

import functools
import typing
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """The name of a member in JSON, where the attribute is called otherwise.

    @dataclass
    class Order:
        order_id: Annotated[str, Member("order-id")]
        paid: bool = False
    """

    name: str


@functools.cache
def hints_of(kind: type) -> dict[str, typing.Any]:
    """The hints of a class, with what `Annotated` adds."""
    return typing.get_type_hints(kind, include_extras=True)


def name_of(kind: type, attribute: str) -> str:
    """What an attribute of a dataclass is called in JSON."""
    for extra in getattr(hints_of(kind).get(attribute), "__metadata__", ()):
        if isinstance(extra, Member):
            return extra.name
    return attribute


__all__ = ["Member", "hints_of", "name_of"]
