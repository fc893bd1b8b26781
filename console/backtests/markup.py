"""The pieces of which HTML pages of results are made. Pure; texts are escaped here, what is called HTML is not."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from string import Template
from typing import Final

_CONTROLS: Final = dict.fromkeys(code for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t")


def page(title: str, body: str) -> str:
    """A whole page; `body` is HTML. Control characters are left out: HTML has none."""
    return _frame().substitute(title=escape(title), body=body).translate(_CONTROLS)


@lru_cache
def _frame() -> Template:
    return Template(importlib.resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8"))


def card(inside: str) -> str:
    """HTML in a box of the page."""
    return f'<div class="card">{inside}</div>'


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def warning_box(warnings: Sequence[str]) -> str:
    """What to know before believing it; nothing where there is nothing."""
    return f'<div class="warning">{bullets(warnings)}</div>' if warnings else ""


def heads(cells: Iterable[tuple[str, str, str]]) -> str:
    """The few figures that stand large on top: name, text and the class of its colour, "" for none."""
    made = (
        f'<div class="head"><b class="{tone}">{escape(text)}</b><span>{escape(name)}</span></div>'
        for name, text, tone in cells
    )
    return f'<div class="heads">{"".join(made)}</div>'
