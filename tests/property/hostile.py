"""What a broken or hostile venue could make of a good JSON text: the table of attacks, and the writing of them.

Numbers keep their digits on the way. A long list is attacked at its first and its last place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs


class Token(str):
    """JSON that is written as it stands."""

    __slots__ = ()


_WORDS = (
    "NaN", "Infinity", "-Infinity", "1e400", "-1", str(2**80), "", " 1", "1_000", "0x10", "\u0661", "\0\x1b[31m\n",
    "9" * 5000, "2023-99-99T99:99:99.999999Z", "\uff12\uff10\uff12\uff13-07-30T15:30:00.000000Z",
)  # fmt: skip
_DEEP = "[" * 400 + "]" * 400
VALUES = (
    *(Token(text) for text in ("1e400", "-1e400", "1.5e-12", "-1", "9" * 5000, str(2**80), "NaN", "Infinity")),
    *_WORDS,
    Token('"\\ud800"'), None, True, {}, [[1]], {"a": 1}, Token(_DEEP),
)  # fmt: skip
"""What each value is replaced with. None of them is a possible price, quantity, id, instant, side or name."""

_UNKNOWN = Token('{"zzz":[null,-1,1e300,{"price":"x"}],"":{"data":[]}}')
_NESTED = Token("[" * 100_000)


@attrs.frozen(repr=False)
class Attack:
    """One spoilt `text`. A `harmless` one means what the original means."""

    name: str
    text: str
    harmless: bool = False

    def __repr__(self) -> str:
        return f"{self.name}: {self.text[:300]!a}"


def attacks(text: str, *, step: int = 1) -> Iterator[Attack]:
    """Everything that is done to `text`: cut at every `step` places, followed by more, each value and key spoilt."""
    yield from (Attack(f"cut at {length}", text[:length]) for length in range(0, len(text), step))
    yield from (Attack("followed by more", text + more) for more in ("x", "\0", ",", text))
    yield from (Attack("buried", before + text) for before in ("[", "\ufeff", "\ud800", "[" * 100_000))
    document = json.loads(text, parse_float=Token, parse_int=Token)
    yield Attack("unknown fields", written(_with_unknown(document)), harmless=True)
    yield Attack("backwards", written(_backwards(document)), harmless=True)
    yield Attack("spread out", written(document, gap=" \r\n\t"), harmless=True)
    for holder, key in _places(document):
        yield from _spoilt(document, holder, key)


def written(value: Any, *, gap: str = "") -> str:
    """`value` as JSON, with `gap` between its parts."""
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}{gap}:{gap}{written(each, gap=gap)}" for name, each in value.items())
        return "{" + gap + f"{gap},{gap}".join(members) + gap + "}"
    if isinstance(value, list):
        return "[" + gap + f"{gap},{gap}".join(written(each, gap=gap) for each in value) + gap + "]"
    return json.dumps(value)


def _spoilt(document: Any, holder: Any, key: Any) -> Iterator[Attack]:
    original = holder[key]
    for value in (*VALUES, *_turned(original)):
        holder[key] = value
        yield Attack(f"{key!r} replaced", written(document))
        if isinstance(key, str):
            # Of a key that comes twice the last counts, as everywhere.
            holder[key] = Token(f"{written(value)},{json.dumps(key)}:{written(original)}")
            yield Attack(f"{key!r} twice", written(document))
    holder[key] = _NESTED
    yield Attack(f"{key!r} without end", written(document))
    if isinstance(holder, list) and isinstance(original, dict | list):
        holder[key] = original  # one thing fewer of many is as good a text as the original
        return
    del holder[key]
    yield Attack(f"{key!r} missing", written(document))
    if isinstance(holder, list):
        holder.insert(key, original)
    else:
        holder[key] = original


def _turned(value: Any) -> Iterator[Any]:
    # A number as text and a text as number.
    if isinstance(value, Token):
        yield str(value)
    elif isinstance(value, str):
        try:
            Decimal(value)
        except InvalidOperation:
            return
        yield Token(value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = sorted({0, len(value) - 1} & set(range(len(value))))
    else:
        return
    for key in keys:
        yield from _places(value[key])
        yield value, key


def _with_unknown(value: Any) -> Any:
    if isinstance(value, dict):
        return {"zzz": _UNKNOWN, **{name: _with_unknown(each) for name, each in value.items()}, "\x1bnew": _UNKNOWN}
    return [_with_unknown(each) for each in value] if isinstance(value, list) else value


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _backwards(each) for name, each in reversed(value.items())}
    return [_backwards(each) for each in value] if isinstance(value, list) else value
