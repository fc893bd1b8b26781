"""A sweep as one HTML page that needs nothing else: its heat map as SVG, and the best runs. Pure but for the log."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from console.backtests.heatmap import LEVELS, NO_LEVEL, Heat, number_text, shrunk
from console.backtests.markup import bullets, card, heads, page, warning_box
from console.backtests.sweep_document import Sweep, document, heat_of, summary, table_rows

MOST_ROWS: Final = 200
_WIDTH: Final = 960
_HEIGHT: Final = 640
_LINE: Final = 13
_LEFT: Final = 76
_TOP: Final = 28
_MOST_COLUMNS: Final = 120
_MOST_ROWS: Final = 80
_NUMBERED_COLUMNS: Final = 18
_LABEL_ROOM: Final = 44


def sweep_page(sweep: Sweep) -> str:
    """The page of a finished sweep."""
    head = document(sweep)
    instrument, metric = head["instrument"], head["metric"]
    title = f"Sweep of {head['strategy']['name']} on {instrument['symbol']} ({instrument['venue']})"
    heat = heat_of(sweep.standing)
    parts = [
        f"<h1>{escape(title)}</h1>",
        range_line(head, summary(sweep)),
        warning_box(head["warnings"]),
        _best(head["best"], metric),
        "" if heat is None else f"<h2>{escape(metric)}</h2>{card(heat_svg(heat))}",
        f"<h2>The best</h2>{card(table(table_rows(sweep, MOST_ROWS)))}",
        colophon(head),
    ]
    return page(title, "\n".join(parts))


def range_line(head: Mapping[str, Any], told: str) -> str:
    """What was run on, in one line under the title."""
    data = head["data"]
    stretch = f"{data['first'][:19]} to {data['last'][:19]} UTC · {data['rows']:,} trades"
    return f'<p class="faint">{escape(stretch)} · {escape(head["strategy"]["bars"])} bars · {escape(told)}</p>'


def colophon(head: Mapping[str, Any]) -> str:
    """What every page ends with: assumptions, fingerprint, command."""
    prints = card(f"<code>{escape(json.dumps(head['fingerprint']))}</code>")
    command = card(f"<code>{escape(head['command'])}</code>")
    return f"<h2>Assumptions</h2>{bullets(head['assumptions'])}<h2>Fingerprint</h2>{prints}{command}"


def _best(best: Mapping[str, Any] | None, metric: str) -> str:
    if best is None:
        return '<p class="warning">No run has this figure.</p>'
    cells = {**best["parameters"], metric: number_text(best["metrics"][metric])}
    return heads((name, str(text), "") for name, text in cells.items())


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows that share their keys as an HTML table; columns in which there is nothing are left out."""
    names = [name for name in (rows[0] if rows else {}) if any(row[name] not in (None, "") for row in rows)]
    lines = ["".join(f'<th class="number">{escape(name)}</th>' for name in names)]
    for row in rows:
        texts = ("–" if row[name] is None else str(row[name]) for name in names)
        lines.append("".join(f'<td class="number">{escape(text)}</td>' for text in texts))
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def heat_svg(heat: Heat) -> str:
    """The map as SVG for a page that gives `rect.gain` its colour: the better, the stronger."""
    heat = shrunk(heat, columns=_MOST_COLUMNS, rows=_MOST_ROWS)
    across = (_WIDTH - _LEFT) / len(heat.xs)
    down = min(max(across, 14.0), 30.0, max(_HEIGHT / len(heat.ys), 9.0))
    named = math.ceil(_LINE / down)
    height = _TOP + down * len(heat.ys) + 22
    found = [
        f'<text x="{_LEFT}" y="{height - 4:.0f}">{escape(heat.x)} →</text>',
        f'<text x="{_LEFT - 8}" y="{_TOP - 12}" text-anchor="end">{escape(heat.y)} ↓</text>',
        *_column_labels(heat, across),
    ]
    for row, (name, values, levels) in enumerate(zip(heat.ys, heat.values, heat.levels(), strict=True)):
        y = _TOP + row * down
        if row % named == 0:
            found.append(f'<text x="{_LEFT - 8}" y="{y + down / 2 + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        for column, (value, level) in enumerate(zip(values, levels, strict=True)):
            x = _LEFT + column * across
            told = f"{heat.x} {heat.xs[column]}, {heat.y} {name}: {number_text(value)}"
            found.append(_cell((x, y), (across, down), level, told))
            if value is not None and len(heat.xs) <= _NUMBERED_COLUMNS:
                middle = f'x="{x + across / 2:.1f}" y="{y + down / 2 + 4:.1f}"'
                found.append(f'<text {middle} text-anchor="middle">{number_text(value)}</text>')
    name = escape(f"{heat.x} and {heat.y}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{name}">'
        f"{''.join(found)}</svg>"
    )


def _column_labels(heat: Heat, across: float) -> list[str]:
    every = max(1, round(_LABEL_ROOM / across))
    return [
        f'<text x="{_LEFT + (column + 0.5) * across:.1f}" y="{_TOP - 8}" text-anchor="middle">{escape(name)}</text>'
        for column, name in enumerate(heat.xs)
        if column % every == 0
    ]


def _cell(corner: tuple[float, float], size: tuple[float, float], level: int, told: str) -> str:
    strength = 0.0 if level == NO_LEVEL else 0.06 + 0.74 * level / (LEVELS - 1)
    place = f'x="{corner[0] + 0.5:.1f}" y="{corner[1] + 0.5:.1f}"'
    extent = f'width="{max(size[0] - 1, 1):.1f}" height="{size[1] - 1:.1f}"'
    return f'<rect class="gain" {place} {extent} fill-opacity="{strength:.2f}"><title>{escape(told)}</title></rect>'
