"""Writes `default.toml`: every setting with its meaning and its default, made of the schema itself.

`python -m config.listing > config/default.toml` renews it. A line that begins with `#` and no space is a setting that
waits to be uncommented; the others say what it means.
"""

from __future__ import annotations

import ast
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_origin

import attrs

from config.layers import packaged_text
from config.reading import STAND_INS, fields_of, item_type
from config.schema import Settings

HEADING: Final = (
    "Every setting with its default. A line of which the first character is taken away sets it: copy those that you "
    "want to change into config.toml. Amounts of money are text or numbers. Generated from the schema by "
    "`python -m config.listing`."
)
NAME: Final = "NAME"
"""What stands for the name of a table that may have any."""
WIDTH: Final = 118
_SOURCES: Final = ("schema.py", "operations.py")


def listing() -> str:
    """The whole of the file."""
    lines = [*_comment(HEADING), *_section(Settings, "", _meanings(), opened="")]
    return "\n".join(lines) + "\n"


def _meanings() -> dict[str, str]:
    # What the docstrings of sections and of their fields say, by `Section` and by `Section.field`.
    found: dict[str, str] = {}
    for source in _SOURCES:
        for node in ast.parse(packaged_text(source)).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = ast.get_docstring(node) or ""
                found |= dict(_field_meanings(node))
    return found


def _field_meanings(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, after in zip(node.body, node.body[1:], strict=False):
        told = after.value if isinstance(after, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(told, ast.Constant):
            yield f"{node.name}.{field.target.id}", str(told.value)


def _section(section: type, name: str, meanings: Mapping[str, str], *, opened: str) -> Iterator[str]:
    # `opened` is the mark of a table that is there only for what is uncommented in it.
    fields = fields_of(section)
    plain = {key: field for key, field in fields.items() if _tables(field.type) is None}
    if name:
        yield ""
        yield from _comment(_without_place(meanings[section.__name__]))
        yield f"{opened}[{name}]"
    for key, field in plain.items():
        yield from _setting(section, key, field, meanings)
    for key, field in fields.items():
        inner = f"{name}.{key}" if name else key
        tables = _tables(field.type)
        if tables is None:
            continue
        if attrs.has(field.type or object):
            yield from _section(tables, inner, meanings, opened=opened)
        elif get_origin(field.type) is tuple:
            yield from _several(tables, f"[{inner}]", meanings)
        else:
            yield from _several(tables, f"{inner}.{NAME}", meanings)


def _several(section: type, name: str, meanings: Mapping[str, str]) -> Iterator[str]:
    # An example of tables of which there is none by default.
    yield from _section(section, name, meanings, opened="#")


def _tables(kind: Any) -> type | None:
    # The section that a table, or each of several tables, is described by.
    inner: type = kind if attrs.has(kind) else item_type(kind)
    return inner if attrs.has(inner) else None


def _setting(section: type, key: str, field: attrs.Attribute[Any], meanings: Mapping[str, str]) -> Iterator[str]:
    owner = next(one for one in section.__mro__ if key in getattr(one, "__annotations__", {}))
    yield from _comment(meanings.get(f"{owner.__name__}.{key}", ""))
    default = field.default
    if default is attrs.NOTHING:
        yield f"#{key} = {json.dumps(STAND_INS.get(key, 'SIM-001'))}"
    elif default is None:
        yield f"# {key} is not given by default."
    else:
        yield f"#{key} = {_written(default)}"


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_written(one) for one in value)}]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, (int, float)) else "{}"  # a maker of empty tables


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(" ".join(text.split()), WIDTH - 2, break_long_words=False, break_on_hyphens=False):
        yield f"# {line}"


def _without_place(text: str) -> str:
    # Sections say first where they stand, which the line below says.
    place, mark, rest = text.partition("`: ")
    return f"{rest[0].upper()}{rest[1:]}" if mark and place.startswith("`[") else text


if __name__ == "__main__":
    sys.stdout.write(listing())
