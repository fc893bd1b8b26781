"""The upper part of the Data screen: where the store is and how storing goes, the cache, the job. Pure."""

from __future__ import annotations

import textwrap
from typing import Final

from console.tui.stored import CATCHING_UP, RUNNING, SPILLING, CacheState, Job, Spill, StoreAnswer
from console.tui.storewatch import ending
from console.tui.storewords import rows_text, seconds_text, store_state
from console.tui.text import (
    Cell,
    Glyphs,
    Row,
    bar_text,
    fit,
    fit_row,
    grouped,
    moment_text,
    row_width,
    short_bytes,
    short_count,
    title_row,
)

_KINDS: Final = {"embedded": "embedded store", "postgres": "PostgreSQL"}
_LABEL: Final = 10
_BAR: Final = 24
_TWO_FROM: Final = 78
_GAP: Final[Cell] = ("   ", "")


def data_title(answer: StoreAnswer | None, *, reason: str, reachable: bool, width: int, glyphs: Glyphs) -> Row:
    """The head of the page: the kind of store and its place, cut where it is long."""
    if answer is None or not answer.enabled:
        return title_row((("Data", "title"),), width, glyphs)
    kind = _KINDS.get(answer.kind, answer.kind or "store")
    heard = "" if reachable and not reason else f"{glyphs.warning} as last heard" + (f": {reason}" if reason else "")
    room = max(width - 16 - len(kind) - (len(heard) + 3 if heard else 0), 8)
    place = answer.place
    if len(place) > room:  # of a path the last folders tell most, of an address the host
        place = fit(place, room, ellipsis=glyphs.ellipsis) if "://" in place else glyphs.ellipsis + place[1 - room :]
    return title_row((("Data", "title"), (kind, "accent"), (place, "text"), (heard, "alert")), width, glyphs)


def head_rows(answer: StoreAnswer, *, width: int, glyphs: Glyphs) -> list[Row]:
    """How storing goes in a row or two, then the cache, then the job if there is one."""
    rows = [_store_row(answer, width, glyphs)]
    spill = answer.spill
    problem = spill.problem if spill is not None and spill.mode == SPILLING and spill.problem else answer.problem
    rows += _problem_rows(problem, width, glyphs)
    rows.append(_cache_row(answer.cache, width, glyphs))
    if answer.cache is not None and answer.cache.redis == "down":
        rows += _problem_rows(answer.cache.problem, width, glyphs)
    if answer.job is not None:
        rows.append(_job_row(answer.job, width, glyphs))
    return rows


def _problem_rows(problem: str, width: int, glyphs: Glyphs) -> list[Row]:
    # The cause stands at the end of a sentence: it is worth a second row where there is room.
    room = max(width - _LABEL - 4, 1)
    most = 2 if width >= _TWO_FROM else 1
    lines = textwrap.wrap(problem, room, break_on_hyphens=False)
    kept = [*lines[: most - 1], " ".join(lines[most - 1 :])] if len(lines) >= most else lines
    return [
        _line("", [("  " if number else f"{glyphs.warning} ", "warn"), (_cut(text, room, glyphs), "warn")], width)
        for number, text in enumerate(kept)
    ]


def _cut(text: str, room: int, glyphs: Glyphs) -> str:
    return fit(text, min(len(text), room), ellipsis=glyphs.ellipsis)


def _line(label: str, cells: list[Cell], width: int) -> Row:
    return fit_row(((f" {fit(label, _LABEL - 1)}", "head"), *cells), width)


def _figures(cells: list[Cell], facts: list[list[Cell]], room: int) -> list[Cell]:
    # As many facts as fit in whole: half a figure is easily taken for another.
    for fact in facts:
        if row_width((*cells, _GAP, *fact)) > room:
            break
        cells += [_GAP, *fact]
    return cells


def _fact(label: str, text: str, style: str = "text") -> list[Cell]:
    return [(f"{label} ", "dim" if style != "alert" else style), (text, style)]


def _store_row(answer: StoreAnswer, width: int, glyphs: Glyphs) -> Row:
    state = store_state(answer, glyphs)
    cells: list[Cell] = [(f"{state.sign} {state.text}", state.style)]
    room = width - _LABEL
    if state.share is not None:
        bar = progress_cells(state.share, min(_BAR, max(room - row_width(tuple(cells)) - 2, 0)), glyphs)
        cells += [("  ", ""), *bar]
    facts = _spill_facts(answer.spill) if answer.spill is not None else []
    if answer.sync_age_s is not None:
        facts.append(_fact("synced", f"{seconds_text(answer.sync_age_s):>6} ago"))
    facts += [_fact("lost", grouped(answer.lost), "alert" if answer.lost else "text")]
    facts += [_fact("quarantined", grouped(answer.quarantined), "warn" if answer.quarantined else "text")]
    if answer.lost:
        facts.insert(0, facts.pop(-2))
    return _line("store", _figures(cells, facts, room), width)


def _spill_facts(spill: Spill) -> list[list[Cell]]:
    # While all goes well records pass through memory all the time: facts that come and go would move the others.
    facts = []
    if spill.mode in (SPILLING, CATCHING_UP):
        facts.append(_fact("on disk", short_bytes(spill.spilled_bytes)))
        facts.append(_fact("in memory", rows_text(spill.queued_rows)))
        if spill.since_ns:
            facts.append(_fact("since", moment_text(spill.since_ns, decimals=0)))
    if spill.replayed_rows:
        facts.append(_fact("replayed", rows_text(spill.replayed_rows)))
    return facts


def progress_cells(share: float, width: int, glyphs: Glyphs) -> list[Cell]:
    """A bar of `width` cells of which `share` is full."""
    bar = bar_text(int(share * 1000), largest=1000, width=width, glyphs=glyphs)
    return [(bar, "accent"), (glyphs.shade * (width - len(bar)), "grid")]


# -- cache -------------------------------------------------------------------------------------------------------


def _cache_row(cache: CacheState | None, width: int, glyphs: Glyphs) -> Row:
    if cache is None:
        return _line("cache", [("none", "dim")], width)
    hits = cache.hits_memory + cache.hits_redis
    asked = hits + cache.misses
    facts = [
        _fact("hits", f"{100 * hits / asked:.1f} %" if asked else glyphs.minus),
        _fact("memory", short_count(cache.hits_memory)),
        _fact("redis", short_count(cache.hits_redis)) if cache.redis != "off" else [],
        _fact("missed", short_count(cache.misses)),
        _fact("pushed", short_count(cache.pushes)),
        _fact("series", short_count(cache.series)),
    ]
    if cache.failures:
        facts.insert(1, _fact("failures", short_count(cache.failures), "warn"))
    if cache.redis == "down":
        cells: list[Cell] = [(f"{glyphs.warning} REDIS DOWN, memory alone", "warn")]
    elif cache.redis == "up":
        cells = [(f"{glyphs.light} memory and Redis", "up")]
    else:
        cells = [(f"{glyphs.light} memory", "up")]
    return _line("cache", _figures(cells, [fact for fact in facts if fact], width - _LABEL), width)


# -- job ---------------------------------------------------------------------------------------------------------


def _job_row(job: Job, width: int, glyphs: Glyphs) -> Row:
    room = width - _LABEL
    if job.state != RUNNING:
        good = job.state == "done" and not any(one.severity == "error" for one in job.results)
        sign, style = (glyphs.light, "up") if good else (glyphs.warning, "alert")
        words = f"{sign} {job.state or 'ended'}: {ending(job)}"
        return _line(job.name, [(fit(words, max(room - 1, 0), ellipsis=glyphs.ellipsis), style)], width)
    cells: list[Cell] = [(f"{glyphs.turning} ", "accent")]
    if job.total:
        cells += [*progress_cells(job.share, min(_BAR, room // 3), glyphs), (f" {int(job.share * 100):>3} %", "text")]
        cells += [_GAP, (f"{grouped(job.done)} of {grouped(job.total)} {job.unit}", "text")]
    else:
        cells.append(("running", "text"))
    left = max(room - row_width(tuple(cells)) - len(_GAP[0]) - 1, 0)
    return _line(job.name, [*cells, _GAP, (fit(job.message, left, ellipsis=glyphs.ellipsis), "dim")], width)
