"""What a backtest would run on, as rows: the data's facts and its bars as candles. Pure."""

from __future__ import annotations

import textwrap

import numpy as np

from console.tui.backtest.document import Preview
from console.tui.backtest.resultrows import data_cells
from console.tui.chart import chart_rows
from console.tui.plot import time_axis
from console.tui.snapshot import Focus, SymbolView
from console.tui.status import Feed
from console.tui.text import Glyphs, Row, fit, fit_row, moment_text, title_row
from core.clock import NS_PER_S
from core.model.fixedpoint import format_price
from core.model.records import Records

_MINUTE_NS = 60 * NS_PER_S


def preview_rows(preview: Preview, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """At most `height` rows of `width` cells."""
    data = preview.data
    line = [(f" {text} ", style) for text, style in data_cells(data, glyphs)]
    rows: list[Row] = [fit_row(tuple(line), width)]
    span = f" {moment_text(data.first_ns, decimals=0)} to {moment_text(data.last_ns, decimals=0)}"
    rows.append(((fit(span, width, ellipsis=glyphs.ellipsis), "dim"),))
    if data.source:
        rows.append(((fit(f" {data.source}", width, ellipsis=glyphs.ellipsis), "dim"),))
    if not preview.warnings:
        rows.append(((fit(f" {glyphs.light} nothing is wrong with it", width), "up"),))
    for one in preview.warnings[:8]:
        parts = textwrap.wrap(f"{glyphs.warning} {one}", max(width - 2, 1))
        rows += [((fit(f" {part}", width), "warn"),) for part in parts]
    room = height - len(rows) - 1
    if room < 4 or not len(preview.bars):
        return rows[:height]
    rows.append(title_row((("Bars", "title"), (preview.setting, "dim")), width, glyphs))
    return [*rows, *_candle_rows(preview, width=width, height=room, glyphs=glyphs)]


def _candle_rows(preview: Preview, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    # All of the range, bar by bar: those of ticks are as long as they take, so the axis is one of our own.
    label_width = len(format_price(int(preview.bars["high"].max()), preview.price_decimals))
    columns = max(width - label_width - 3, 2)
    bars = _fitted(preview.bars, columns)
    instants = [int(one) for one in bars["ts_event"].tolist()]
    bars["ts_event"] = [number * _MINUTE_NS for number in range(len(bars))]
    feed = Feed(symbol="", venue="", price_decimals=preview.price_decimals)
    view = SymbolView(
        key=("", ""), feed=feed, last_e9=None, first_e9=None, bid_e9=None, ask_e9=None, direction=0, flash=False,
        rate=0.0, age_s=None,
    )  # fmt: skip
    focus = Focus(view=view, interval_ns=_MINUTE_NS, bars=bars)
    rows = chart_rows(focus, width=width, height=height, glyphs=glyphs)
    used = min(len(bars) * (2 if len(bars) * 2 <= columns else 1), columns)
    rows[-1] = fit_row((((time_axis(instants, used)).rjust(columns), "dim"),), width)
    return rows


def _fitted(bars: Records, columns: int) -> Records:
    # Neighbours are put together where there are more bars than columns.
    count = min(len(bars), columns)
    first = np.arange(count) * len(bars) // count
    last = np.append(first[1:], len(bars)) - 1
    found = bars[first].copy()
    found["high"], found["low"] = (
        np.maximum.reduceat(bars["high"], first),
        np.minimum.reduceat(bars["low"], first),
    )
    found["close"] = bars["close"][last]
    found["volume"] = np.add.reduceat(bars["volume"] // len(bars), first)  # only their proportions are seen
    return found
