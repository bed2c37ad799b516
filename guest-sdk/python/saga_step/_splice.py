"""Keeps the promise "what a step did not touch goes on as it came": writes what a step changed into the text that
arrived and leaves every other character alone. Knows JSON only, nothing of steps.

It walks three things side by side: the text that came, what the step's type made of it (`before`) and what the step
hands on (`after`). Only along the way to what changed is the text looked at, and its values are passed over by the
scanner of `json`, which is written in C: no character is looked at by Python.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from saga_step._jsontext import write

# Passing over a value makes it and throws it away: numbers are the cheaper for being left texts.
_Scan = Callable[[str, int], tuple[Any, int]]
_scan = cast(_Scan, json.JSONDecoder(parse_float=str, parse_int=str).scan_once)  # type: ignore[attr-defined]
# What stands between values; in a text that has been read they match wherever they are asked.
_Match = Callable[[str, int], re.Match[str]]
_spaces = cast(_Match, re.compile(r"[ \t\n\r]*").match)
_colon = cast(_Match, re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match)
# The comma with the spaces around it, or the spaces before the bracket.
_comma = cast(_Match, re.compile(r"[ \t\n\r]*,?[ \t\n\r]*").match)


class Entry(NamedTuple):
    """A member of an object, or an element of an array, whose key is "" and begins where its value does."""

    start: int
    key: str
    value_start: int
    end: int


def merge(raw: str, before: Any, after: Any) -> str:
    """The body that goes on. Where `before` and `after` agree, the step changed nothing, and `raw` stays as it is."""
    start, end = value_at(raw)
    out = [raw[:start]]
    _merge(out, raw, start, end, before, after)
    out.append(raw[end:])
    return "".join(out)


def value_at(text: str) -> tuple[int, int]:
    """Where the one value of a text stands, without the spaces around it."""
    start = _spaces(text, 0).end()
    return start, _scan(text, start)[1]


def members(text: str, start: int) -> list[Entry]:
    """The members of the object whose brace stands at `start`."""
    found = []
    at = _spaces(text, start + 1).end()
    while text[at] == '"':
        key, key_end = _scan(text, at)
        value_start = _colon(text, key_end).end()
        end = _scan(text, value_start)[1]
        found.append(Entry(at, key, value_start, end))
        at = _comma(text, end).end()
    return found


def elements(text: str, start: int) -> list[Entry]:
    """The elements of the array whose bracket stands at `start`."""
    found = []
    at = _spaces(text, start + 1).end()
    while text[at] != "]":
        end = _scan(text, at)[1]
        found.append(Entry(at, "", at, end))
        at = _comma(text, end).end()
    return found


def _is_same(before: Any, after: Any) -> bool:
    """Whether both are written alike. `==` alone would take 1.0 for 1.00, and 1 for true; `repr` alone takes longer."""
    return type(before) is type(after) and before == after and repr(before) == repr(after)


def _merge(out: list[str], raw: str, start: int, end: int, before: Any, after: Any) -> None:
    if _is_same(before, after):
        out.append(raw[start:end])
    elif raw[start] == "{" and type(before) is dict and type(after) is dict:
        _merge_objects(out, raw, start, end, before, after)
    elif raw[start] == "[" and type(before) is list and type(after) is list:
        _merge_arrays(out, raw, start, end, before, after)
    else:
        out.append(write(after))


def _merge_objects(
    out: list[str], raw: str, start: int, end: int, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Members keep their place. Gone is what the type knew and no longer writes; new members follow at the end."""
    came = members(raw, start)
    # A key that stands twice: the last one counts, as it does for every reader that accepts it at all.
    last = {entry.key: entry for entry in came}
    out.append(raw[start : came[0].start if came else start + 1])
    is_first = True
    behind = start + 1
    for entry in came:
        key = entry.key
        gap = raw[behind : entry.start]
        behind = entry.end
        if key in before and key not in after:
            continue
        if not is_first:
            out.append(gap)
        is_first = False
        out.append(raw[entry.start : entry.value_start])
        if key not in after or last[key] is not entry:
            out.append(raw[entry.value_start : entry.end])
        elif key in before:
            _merge(out, raw, entry.value_start, entry.end, before[key], after[key])
        else:
            out.append(write(after[key]))
    for key, value in after.items():
        # What the type filled in by itself (a default) is no change of the step's.
        if key in last or (key in before and _is_same(before[key], value)):
            continue
        out.append(f"{'' if is_first else ','}{write(key)}:{write(value)}")
        is_first = False
    out.append(raw[came[-1].end if came else end - 1 : end])


def _merge_arrays(out: list[str], raw: str, start: int, end: int, before: list[Any], after: list[Any]) -> None:
    """Elements have no names, so each new one is paired with the old one it most likely is. Unpaired ones are written
    as the type has them.
    """
    came = elements(raw, start)
    if len(came) != len(before):
        out.append(write(after))
        return
    partners = _pair(before, after)
    keeps_layout = len(came) == len(after) > 0
    out.append(raw[start : came[0].start] if keeps_layout else "[")
    for index, value in enumerate(after):
        if index:
            out.append(raw[came[index - 1].end : came[index].start] if keeps_layout else ",")
        old, is_same = partners[index]
        if old is None:
            out.append(write(value))
        elif is_same:
            out.append(raw[came[old].start : came[old].end])
        else:
            _merge(out, raw, came[old].start, came[old].end, before[old], value)
    out.append(raw[came[-1].end : end] if keeps_layout else "]")


def _pair(olds: list[Any], news: list[Any]) -> list[tuple[int | None, bool]]:
    """For each new element the index of the old one it stands for, or None, and whether both are the same: the same at
    the same place, then the same elsewhere, then (as many as before) the one at the same place.
    """
    partners: list[tuple[int | None, bool]] = [(None, False)] * len(news)
    taken = [False] * len(olds)
    for index in range(min(len(olds), len(news))):
        if _is_same(olds[index], news[index]):
            partners[index] = (index, True)
            taken[index] = True
    unpaired = [index for index, (old, _) in enumerate(partners) if old is None]
    if not unpaired:
        return partners
    free: dict[str, list[int]] = {}
    for index in range(len(olds) - 1, -1, -1):
        if not taken[index]:
            free.setdefault(repr(olds[index]), []).append(index)
    for index in unpaired:
        places = free.get(repr(news[index]))
        if places:
            place = places.pop()
            partners[index] = (place, True)
            taken[place] = True
    if len(olds) == len(news):
        for index in unpaired:
            if partners[index][0] is None and not taken[index]:
                partners[index] = (index, False)
    return partners
