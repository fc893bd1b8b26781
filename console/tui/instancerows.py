"""The Instances screen's rows: engines, connections, rings and their readers, one table below the other. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from console.tui.services import Service, Services
from console.tui.snapshot import Health, Snapshot
from console.tui.status import Connection, EngineStatus, ReaderRow, Ring
from console.tui.tables import Column, fit_columns, head_row, table_row
from console.tui.text import Cell, Glyphs, Row, fit, short_age, short_count, title_row
from core.clock import NS_PER_S

HEADS_FROM: Final = 18
"""Below so many rows the tables have no line with the names of their columns."""
_HIGH, _CRITICAL = 0.5, 0.9  # shares of a ring that its slowest reader is behind
_CONNECTION_WORDS: Final = {
    "connected": "up", "connecting": "connecting", "reconnecting": "reconnecting", "disconnected": "down",
}  # fmt: skip

_ENGINES: Final = (
    Column("name", "engine", 14), Column("health", "health", 7), Column("beat", "beat", 4, right=True),
    Column("up", "up", 4, right=True), Column("pid", "pid", 7, right=True),
    Column("providers", "providers", 16, least=110), Column("venues", "venues", 22, least=78),
    Column("symbols", "symbols", 0, grows=True),
)  # fmt: skip
_CONNECTIONS: Final = (
    Column("venue", "venue", 12), Column("state", "state", 14), Column("process", "process", 13),
    Column("restarts", "restarts", 8, right=True), Column("rate", "msg/s", 5, right=True),
    Column("reconnects", "reconnects", 10, right=True, least=100),
    Column("malformed", "malformed", 9, right=True, least=100), Column("reason", "reason", 0, least=70, grows=True),
)  # fmt: skip
_RINGS: Final = (
    Column("symbol", "symbol", 10), Column("venue", "venue", 11), Column("schema", "schema", 7),
    Column("access", "access", 7, least=76), Column("name", "ring", 36, least=118),
    Column("rate", "rec/s", 5, right=True), Column("committed", "written", 7, right=True),
    Column("capacity", "holds", 5, right=True, least=70),
    Column("window", "window", 6, least=66, grows=True, most=24), Column("lag", "lag%", 5, right=True),
    Column("readers", "rdr", 3, right=True),
)  # fmt: skip
_READERS: Final = (
    Column("ring", "ring", 20, grows=True, most=40), Column("name", "reader", 10),
    Column("pid", "pid", 7, right=True, least=70), Column("lag", "lag", 6, right=True),
    Column("share", "of ring", 7, right=True),
    Column("lost", "lost", 10, right=True),
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Shares:
    """How many entries each table has room for; `heads` tells whether there are lines with the columns' names."""

    engines: int
    connections: int
    rings: int
    readers: int
    heads: bool

    @property
    def rings_top(self) -> int:
        """The row of the first ring."""
        return self.engines + self.connections + 3 * (2 if self.heads else 1)


def share_height(height: int, *, engines: int, connections: int, rings: int, readers: int) -> Shares:
    """Divide `height` rows: engines and connections need few; readers have a third of the rest or all rings leave."""
    heads = height >= HEADS_FROM
    room = max(height - 4 * (2 if heads else 1), 0)
    few = max(room // 4, 1)
    engines, connections = min(max(engines, 1), few), min(max(connections, 1), few)
    left = max(room - engines - connections, 0)
    rings = min(max(rings, 1), left - min(max(readers, 1), left // 3))
    return Shares(
        engines=engines, connections=connections, rings=rings, readers=max(left - rings, 0), heads=heads
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class Place:
    """Where the operator is: the ring under the cursor, the first one shown, and the filter."""

    cursor: Path | None = None
    top: int = 0
    pattern: str = ""


def filter_rings(status: EngineStatus | None, pattern: str) -> list[Ring]:
    """The rings whose name, symbol, venue, schema or access contains `pattern`, in any case; `!` inverts."""
    rings = [] if status is None else list(status.rings)
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    if not wanted:
        return rings
    return [ring for ring in rings if (wanted in _searchable(ring)) != inverted]


def _searchable(ring: Ring) -> str:
    return " ".join((ring.name, ring.symbol, ring.venue, ring.schema, _access(ring))).lower()


def connection_lines(status: EngineStatus | None) -> list[Connection]:
    """Every connection that has a line of its own."""
    return [] if status is None else [line for one in status.connections for line in one.lines]


def readers_of(rings: Sequence[Ring], cursor: Path | None) -> list[tuple[Ring, ReaderRow]]:
    """Every reader of `rings`: those that lost records first, then those of the ring under the cursor."""
    found = [(ring, reader) for ring in rings for reader in ring.readers]
    return sorted(found, key=lambda pair: (not pair[1].lapped, pair[0].path != cursor))


def instance_rows(
    snapshot: Snapshot, services: Services, place: Place, *, width: int, height: int, glyphs: Glyphs
) -> list[Row]:
    """Exactly `height` rows of `width` cells."""
    status, health = snapshot.status, snapshot.health
    rings = filter_rings(status, place.pattern)
    readers = readers_of(rings, place.cursor)
    connections = connection_lines(status)
    shares = share_height(
        height, engines=len(services.found), connections=len(connections), rings=len(rings), readers=len(readers)
    )
    shown = _fitting(connections, shares.connections)
    draw = _Drawing(width, glyphs, shares.heads)
    rows = draw.table(
        _engines_title(services, snapshot, glyphs), _ENGINES, shares.engines,
        [_engine_row(one, snapshot.now_ns, draw) for one in services.found[: shares.engines]],
        services.problem or ("no engine is announced" if services.looked else "looking for engines"),
    )  # fmt: skip
    rows += draw.table(
        _connections_title(status, shown=len(shown), total=len(connections)), _CONNECTIONS, shares.connections,
        [_connection_row(one, health, draw) for one in shown], "none",
    )  # fmt: skip
    rows += draw.table(
        _rings_title(rings, snapshot, place), _RINGS, shares.rings,
        [_ring_row(ring, health, place, draw) for ring in rings[place.top : place.top + shares.rings]],
        "nothing matches the filter; esc clears it" if place.pattern else "no rings",
    )  # fmt: skip
    rows += draw.table(
        _readers_title(readers, shares.readers), _READERS, shares.readers,
        [_reader_row(ring, reader, place, draw) for ring, reader in readers[: shares.readers]], "nobody reads",
    )  # fmt: skip
    return (rows + [((" " * width, ""),)] * height)[:height]


@attrs.frozen
class _Drawing:
    # What every table of the screen is drawn with.
    width: int
    glyphs: Glyphs
    heads: bool

    def row(
        self, columns: Sequence[Column], cells: dict[str, Cell], *, marker: str = " ", cursor: bool = False
    ) -> Row:
        fitting = fit_columns(columns, self.width)
        return table_row(fitting, cells, width=self.width, glyphs=self.glyphs, marker=marker, cursor=cursor)

    def table(self, title: Row, columns: Sequence[Column], room: int, rows: list[Row], empty: str) -> list[Row]:
        drawn = [title_row(title, self.width, self.glyphs)]
        if self.heads:
            drawn.append(head_row(fit_columns(columns, self.width), width=self.width, glyphs=self.glyphs))
        if not rows and room:
            rows = [((fit(f" {empty}", self.width, ellipsis=self.glyphs.ellipsis), "dim"),)]
        return [*drawn, *rows, *[((" " * self.width, ""),)] * (room - len(rows))]


# -- engines -----------------------------------------------------------------------------------------------------


def _engines_title(services: Services, snapshot: Snapshot, glyphs: Glyphs) -> Row:
    ill = [word for word in ("stale", "dead") for one in services.found if one.health == word]
    name = snapshot.status.instance_id if snapshot.status is not None else ""
    listed = any(one.here for one in services.found)
    here = f"{glyphs.focus} {name or 'engine'} is this console's" + (
        "" if listed or not services.looked else ", not announced"
    )
    if not snapshot.health.reachable:
        here = f"{glyphs.warning} {name or 'this console'}: {snapshot.health.reason or 'not reachable'}"
    return (
        ("Engines", "title"),
        (str(len(services.found)), "dim"),
        *((f"{ill.count(word)} {word}", "warn") for word in dict.fromkeys(ill)),
        (here, "accent" if snapshot.health.reachable else "alert"),
    )


def _engine_row(service: Service, now_ns: int, draw: _Drawing) -> Row:
    glyphs = draw.glyphs
    light, style = {"alive": (glyphs.light, "up"), "stale": (glyphs.warning, "warn")}.get(
        service.health, (glyphs.warning, "alert")
    )
    count = f"{len(service.symbols)}{'' if service.complete else '+'}"
    cells: dict[str, Cell] = {
        "name": (service.name, "accent" if service.here else "symbol"),
        "health": (f"{light} {service.health}", style),
        "beat": (short_age(service.age_s), "text" if service.health == "alive" else style),
        "up": (short_age((now_ns - service.started_ns) / NS_PER_S), "text"),
        "pid": (str(service.pid), "dim"),
        "providers": (" ".join(service.providers), "text"),
        "venues": (" ".join(service.venues), "text"),
        "symbols": (f"{count}: {' '.join(service.symbols)}" if service.symbols else "none", "dim"),
    }
    return draw.row(_ENGINES, cells, marker=glyphs.focus if service.here else " ")


# -- connections -------------------------------------------------------------------------------------------------


def _connections_title(status: EngineStatus | None, *, shown: int, total: int) -> Row:
    if status is None:
        return (("Connections", "title"),)
    restarts = sum(one.restarts for one in status.connections)
    children = sum(one.pid > 0 for one in status.connections)
    delays = [f"{delay / 1e6:.1f}" for delay in (status.publish_p50_ns, status.publish_p99_ns, status.publish_max_ns)]
    return (
        ("Connections", "title"),
        (f"{shown} of {total}" if shown < total else "", "dim"),
        (f"{children} in processes of their own" if children else "", "dim"),
        (_times(restarts, "restart") if restarts else "", "warn"),
        ("socket to ring {} ms, 99 % {}, worst {}".format(*delays) if status.delays else "", "dim"),
    )


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _fitting(connections: Sequence[Connection], room: int) -> Sequence[Connection]:
    # A venue's own line tells of its legs: no leg takes the place of a venue.
    return connections if len(connections) <= room else [one for one in connections if not one.leg][:room]


def _connection_row(connection: Connection, health: Health, draw: _Drawing) -> Row:
    word = _CONNECTION_WORDS.get(connection.status, connection.status or "unknown")
    up = word == "up" and health.reachable
    style = "up" if up else "alert" if word in {"down", "error"} else "warn"
    rate = health.rates.get(connection.venue)
    cells: dict[str, Cell] = {
        "venue": (f"  leg {connection.leg}", "dim") if connection.leg else (connection.venue, "symbol"),
        "state": (f"{draw.glyphs.light if up else draw.glyphs.warning} {word}", style),
        "process": (_process(connection), "text"),
        "restarts": ("" if connection.leg else str(connection.restarts), "warn" if connection.restarts else "dim"),
        "rate": (draw.glyphs.minus if rate is None else short_count(round(rate)), "text"),
        "reconnects": (short_count(connection.reconnects), "text" if connection.reconnects else "dim"),
        "malformed": (short_count(connection.malformed), "warn" if connection.malformed else "dim"),
        "reason": (connection.reason or _share(connection), style if not up else "dim"),
    }
    return draw.row(_CONNECTIONS, cells)


def _process(connection: Connection) -> str:
    # A leg is where its venue is.
    if connection.leg:
        return ""
    return f"pid {connection.pid}" if connection.pid else "in the engine"


def _share(leg: Connection) -> str:
    # What one of several connections was good for; nothing of one that is alone.
    counts = (
        (leg.missed, "missed {}"),
        (leg.brought_first, "first with {} trades"),
        (leg.hand_overs, "handed over {}x"),
    )
    return ", ".join(text.format(short_count(count)) for count, text in counts if count)


# -- rings -------------------------------------------------------------------------------------------------------


def _rings_title(rings: Sequence[Ring], snapshot: Snapshot, place: Place) -> Row:
    total = 0 if snapshot.status is None else len(snapshot.status.rings)
    rate = sum(snapshot.health.ring_rates.get(ring.path, 0.0) for ring in rings)
    return (
        ("Rings", "title"),
        (f"{len(rings)} of {total}" if len(rings) != total else str(total), "dim"),
        (f"{short_count(round(rate))} records/s" if snapshot.health.reachable else "as last heard", "dim"),
        (f"/{place.pattern}" if place.pattern else "", "accent"),
    )


def _access(ring: Ring) -> str:
    return "public" if ring.public else "private"


def _ring_row(ring: Ring, health: Health, place: Place, draw: _Drawing) -> Row:
    here = ring.path == place.cursor
    lost = any(reader.lapped for reader in ring.readers)
    share = ring.worst_lag / ring.capacity if ring.capacity else 0.0
    style = "alert" if lost or share >= _CRITICAL else "warn" if share >= _HIGH else "text"
    rate = health.ring_rates.get(ring.path)
    bar = next((column.width for column in fit_columns(_RINGS, draw.width) if column.name == "window"), 0)
    cells: dict[str, Cell] = {
        "symbol": (ring.symbol, "symbol"),
        "venue": (ring.venue, "dim"),
        "schema": (ring.schema, "text"),
        "access": (_access(ring), "dim" if ring.public else "text"),
        "name": (ring.name, "dim"),
        "rate": (draw.glyphs.minus if rate is None else short_count(round(rate, 1)), "text"),
        "committed": (short_count(ring.committed), "text"),
        "capacity": (short_count(ring.capacity), "dim"),
        "window": (window_text(ring, bar, draw.glyphs), "dim" if style == "text" else style),
        "lag": (share_text(share) if ring.readers else draw.glyphs.minus, style if ring.readers else "dim"),
        "readers": (str(len(ring.readers)), "text" if ring.readers else "dim"),
    }
    return draw.row(_RINGS, cells, marker=draw.glyphs.cursor if here else " ", cursor=here)


def window_text(ring: Ring, width: int, glyphs: Glyphs) -> str:
    """A ring as a bar of `width` cells: solid is what its slowest reader has not read, shaded the rest of what it
    holds, dotted what was never written."""
    if not ring.capacity:
        return glyphs.dotted * width
    held = -(-min(ring.committed, ring.capacity) * width // ring.capacity)
    # To the nearest cell: a reader that is a record or two behind should not make the bar flicker.
    unread = min((2 * min(ring.worst_lag, ring.capacity) * width + ring.capacity) // (2 * ring.capacity), held)
    return glyphs.ramps[8] * unread + glyphs.shade * (held - unread) + glyphs.dotted * (width - held)


def share_text(share: float) -> str:
    """A share of a ring in at most five characters: `0%`, `<1%`, `42%`, `>100%`."""
    if 0 < share < 0.01:
        return "<1%"
    return ">100%" if share > 1 else f"{int(share * 100)}%"


# -- readers -----------------------------------------------------------------------------------------------------


def _readers_title(readers: Sequence[tuple[Ring, ReaderRow]], room: int) -> Row:
    lossy = [reader.lapped for _ring, reader in readers if reader.lapped]
    return (
        ("Readers", "title"),
        (f"{room} of {len(readers)}" if room < len(readers) else str(len(readers)), "dim"),
        (f"{short_count(sum(lossy))} records lost by {_times(len(lossy), 'reader')}" if lossy else "", "alert"),
    )


def _reader_row(ring: Ring, reader: ReaderRow, place: Place, draw: _Drawing) -> Row:
    share = reader.lag / ring.capacity if ring.capacity else 0.0
    style = "alert" if share >= _CRITICAL else "warn" if share >= _HIGH else "text"
    cells: dict[str, Cell] = {
        "ring": (ring.name, "dim"),
        "name": (reader.name, "symbol"),
        "pid": (str(reader.pid), "dim"),
        "lag": (short_count(reader.lag), style),
        "share": (share_text(share), style),
        "lost": (f"{short_count(reader.lapped)} lost" if reader.lapped else "0", "alert" if reader.lapped else "dim"),
    }
    return draw.row(_READERS, cells, marker=draw.glyphs.focus if ring.path == place.cursor else " ")


def copy_ring(ring: Ring) -> str:
    """One ring as tab-separated text for another program, its path first."""
    return "\t".join((str(ring.path), ring.symbol, ring.venue, ring.schema, str(ring.committed)))
