"""The status line: the engine, its feeds, its delays and losses, what is simulated, and the time. Pure.

Every light is a character and a word, never a colour alone.
"""

from __future__ import annotations

from console.tui.alerts.told import alert_cells
from console.tui.paperwords import paper_cells
from console.tui.snapshot import NO_ENGINE, Health, Snapshot
from console.tui.status import Connection, EngineStatus
from console.tui.storewords import status_cells
from console.tui.text import Cell, Glyphs, Row, clean, clock_text, fit, fit_row, row_width, short_count
from core.clock import utc_day

_WORDS = {"connected": "up", "connecting": "connecting", "reconnecting": "reconnecting", "disconnected": "down"}
_SOURCES = {"simulated": ("SIMULATED", "simulated"), "recording": ("RECORDING", "recording")}
_GAP: Cell = ("  ", "bar")
_WIDE = 180  # a single row has room for the longest delay too
_NAME = 24  # cells for the name of a recording


def status_rows(snapshot: Snapshot | None, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """The line in one row or in two, each `width` cells: the lights and the badge first, the figures behind."""
    if snapshot is None:
        return [fit_row(((" starting", "bar"),), width, "bar")] * height
    lights = [_lights(snapshot, glyphs, detail=detail) for detail in (2, 1, 0, -1)]
    wide = width >= (_WIDE if height == 1 else 100)
    figures = _figures(snapshot, glyphs, worst=height > 1 or width >= _WIDE, venue=wide)
    if row_width(figures) > width:
        figures = _figures(snapshot, glyphs, worst=False, venue=False)
    if row_width(figures) > width:
        figures = _figures(snapshot, glyphs, worst=False, venue=False, brief=True)
    time = f"{clock_text(snapshot.now_ns, decimals=0)}Z"
    clocks: list[Row] = [
        ((f" {text}", "bar_dim"), (" ", "bar")) for text in (f"{utc_day(snapshot.now_ns)} {time}", time)
    ]
    beside = figures if height == 1 else ()
    room = width - row_width(beside)
    # The most detailed lights that fit: with reasons, with rates, with neither, counted; the day goes before a name.
    pairs = [(row, clocks[0]) for row in lights[:3]] + [(row, clocks[1]) for row in lights[2:]]
    found = next((pair for pair in pairs if row_width(pair[0]) + row_width(pair[1]) <= room), pairs[-1])
    if height == 1:
        return [_spread((*found[0], *beside), found[1], width, glyphs)]
    return [_spread(*found, width, glyphs), _cut(figures, width, glyphs)][:height]


def _spread(left: Row, right: Row, width: int, glyphs: Glyphs) -> Row:
    room = width - row_width(right)
    return (*_cut(left, room, glyphs), *right) if room > 0 else _cut(left, width, glyphs)


def _cut(row: Row, width: int, glyphs: Glyphs) -> Row:
    # What is left out leaves a mark: half a word is easily taken for another.
    if row_width(row) <= width or width < 2:
        return fit_row(row, width, "bar")
    return (*fit_row(row, width - 1, "bar"), (glyphs.ellipsis, "bar_dim"))


def _lights(snapshot: Snapshot, glyphs: Glyphs, *, detail: int) -> Row:
    health, status = snapshot.health, snapshot.status
    cells: list[Cell] = [(" ", "bar")]
    if status is not None and status.source in _SOURCES:
        text, style = _SOURCES[status.source]
        cells.append((f" {text} ", style))
        if detail > 0 and status.recording:
            name = fit(status.recording, min(len(status.recording), _NAME), ellipsis=glyphs.ellipsis)
            cells.append((f" {name}", "bar"))
        cells.append(_GAP)
    cells += _engine(health, status, glyphs, detail=detail)
    if health.reachable and status is not None:
        calm = [one for one in status.connections if detail < 0 and _is_calm(one, health)]
        if len(calm) > 1:
            cells += [_GAP, (glyphs.light, "bar_up"), (f" {len(calm)} venues up", "bar")]
        else:
            calm = []
        for connection in status.connections:
            if connection not in calm:
                cells += [_GAP, *_connection(connection, health, glyphs, detail=max(detail, 0))]
    return tuple(cells)


def _is_calm(connection: Connection, health: Health) -> bool:
    return connection.status == "connected" and not (connection.restarts or _unwell(connection, health))


def _unwell(connection: Connection, health: Health) -> str:
    counts = (("broken", health.broken), ("stale", health.stale))
    return ", ".join(f"{count} {word}" for word, by_venue in counts if (count := by_venue.get(connection.venue, 0)))


def _engine(health: Health, status: EngineStatus | None, glyphs: Glyphs, *, detail: int) -> list[Cell]:
    if health.reason == NO_ENGINE:
        return [(glyphs.quiet, "bar_dim"), (" no engine", "bar")]
    if not health.reachable:
        reason = f": {health.reason}" if health.reason else ""
        return [(glyphs.warning, "bar_down"), (f" engine not reachable{reason}", "bar_down")]
    state = status.state if status is not None else "unknown"
    style = "bar_up" if state == "running" else "bar_warn"
    cells: list[Cell] = [(glyphs.light, style)]
    cells.append((f" engine {state}" if detail == 2 or state != "running" else " engine", "bar"))
    if status is not None and status.read_only:
        cells.append((" RO", "bar_warn"))
    return cells


def _connection(connection: Connection, health: Health, glyphs: Glyphs, *, detail: int) -> list[Cell]:
    word = _WORDS.get(connection.status, connection.status or "unknown")
    name = clean(connection.venue.lower())  # lower case may bring a combining character
    if word == "up":
        rate = f" {short_count(round(health.rates.get(connection.venue, 0.0)))}/s"
        unwell = _unwell(connection, health)
        cells: list[Cell] = [(glyphs.light, "bar_warn" if connection.restarts or unwell else "bar_up")]
        cells.append((f" {name} up{rate}" if detail else f" {name} up", "bar"))
        if connection.restarts:
            noun = "restart" if connection.restarts == 1 else "restarts"
            text = f", {connection.restarts} {noun}" if detail else f" r{connection.restarts}"
            cells.append((text, "bar_warn"))
        if unwell:
            cells.append((f", {unwell}" if detail else f" {unwell}", "bar_warn"))
        return cells
    if connection.ended:
        return [(glyphs.light, "bar_dim"), (f" {name} recording ended" if detail else f" {name} ended", "bar")]
    reason = f" ({connection.reason})" if detail == 2 and connection.reason else ""
    style = "bar_down" if word in {"down", "error"} else "bar_warn"
    return [(glyphs.warning, style), (f" {name} {word}{reason}", style)]


def _figures(snapshot: Snapshot, glyphs: Glyphs, *, worst: bool, venue: bool, brief: bool = False) -> Row:
    health, status = snapshot.health, snapshot.status
    cells: list[Cell] = [(" ", "bar")]
    if status is None:
        return tuple(cells)
    if status.delays:
        delays = f"{_milliseconds(status.publish_p50_ns)}/{_milliseconds(status.publish_p99_ns)}"
        cells += [("lat ", "bar_dim"), (f"{delays} ms", "bar")]
        if worst and status.publish_max_ns:
            cells += [(" max ", "bar_dim"), (_milliseconds(status.publish_max_ns), "bar")]
        if venue and status.venue_p99_ns:
            delays = f"{_milliseconds(status.venue_p50_ns)}/{_milliseconds(status.venue_p99_ns)}"
            cells += [_GAP, ("venue ", "bar_dim"), (f"{delays} ms", "bar")]
        cells += [_GAP]
    cells += [("lag ", "bar_dim"), (short_count(health.lag), "bar"), _GAP]
    cells += [("lost ", "bar_dim" if not health.lost else "bar_down")]
    cells += [(short_count(health.lost), "bar" if not health.lost else "bar_down"), _GAP]
    cells += status_cells(status, glyphs)
    cells += paper_cells(status, glyphs, brief=brief)
    cells += alert_cells(status.alerts, glyphs, brief=brief)
    if health.withheld:
        noun = "book" if health.withheld == 1 else "books"
        cells += [_GAP, (f"{glyphs.warning} {health.withheld} {noun} withheld", "bar_down")]
    if health.problems:
        noun = "problem" if len(health.problems) == 1 else "problems"
        cells += [_GAP, (f"{glyphs.warning} {len(health.problems)} {noun}", "bar_warn")]
    return tuple(cells)


def _milliseconds(delay_ns: int) -> str:
    milliseconds = delay_ns / 1e6
    return f"{milliseconds:.1f}" if milliseconds < 100 else short_count(round(milliseconds))
