"""What is said of the store in words, each with a sign: on the Data screen, in the status line, among the problems.
Pure."""

from __future__ import annotations

import attrs

from console.tui.status import EngineStatus
from console.tui.stored import CATCHING_UP, SPILLING, CacheState, Spill, StoreAnswer, StoredGap
from console.tui.text import Cell, Glyphs, grouped, short_count

BEHIND_S = 5.0
"""A store that lags by more is behind."""


@attrs.frozen
class State:
    """How storing goes: a sign, a sentence and their style; `share` is how much was caught up, None when there is
    nothing to catch up."""

    sign: str
    text: str
    style: str
    share: float | None = None


def store_state(answer: StoreAnswer, glyphs: Glyphs) -> State:
    """How storing goes, the worst thing first."""
    spill = answer.spill
    if spill is not None and spill.mode == SPILLING:
        tries = f", next try in {spill.next_try_s:.0f} s" if spill.next_try_s else ", trying now"
        text = f"DATABASE DOWN: spilling, {waiting_text(spill.waiting)}{tries}"
        return State(glyphs.warning, text, "alert")
    if spill is not None and spill.mode == CATCHING_UP:
        text = f"catching up {int(spill.share * 100)} %, {waiting_text(spill.waiting)}"
        return State(glyphs.turning, text, "warn", spill.share)
    if answer.problem:
        return State(glyphs.warning, "FAILING: what comes in is not stored", "alert")
    if answer.lag_s > BEHIND_S:
        return State(glyphs.warning, f"behind: stored to {seconds_text(answer.lag_s)} ago", "warn")
    return State(glyphs.light, f"stored to {seconds_text(answer.lag_s)} ago", "up")


def rows_text(count: int) -> str:
    """So many rows, in full."""
    return "1 row" if count == 1 else f"{grouped(count)} rows"


def gap_words(gap: StoredGap) -> str:
    """How many records of a gap are missing and how many were recovered; nothing where nobody knows."""
    if not gap.recovered:
        return rows_text(gap.rows) if gap.rows else ""
    recovered = f"{grouped(gap.recovered)} recovered"
    return f"{grouped(gap.rows)} missing, {recovered}" if gap.rows else recovered


def waiting_text(count: int) -> str:
    """How many rows wait, as a clause."""
    return "1 row waits" if count == 1 else f"{grouped(count)} rows wait"


def seconds_text(duration_s: float) -> str:
    """A short time to the hundredth, a long one to the second."""
    return f"{duration_s:.2f} s" if duration_s < 10 else f"{grouped(int(duration_s))} s"


def status_cells(status: EngineStatus, glyphs: Glyphs) -> list[Cell]:
    """The store's part of the status line: its lag, or what stands in the way."""
    spill, warning = status.spill, glyphs.warning
    if status.store_lag_s is None:
        cells: list[Cell] = [("not stored", "bar_dim")]
    elif spill is not None and spill.mode == SPILLING:
        cells = [(f"{warning} db down, {short_count(spill.waiting)} spilled", "bar_down")]
    elif spill is not None and spill.mode == CATCHING_UP:
        cells = [(f"{glyphs.turning} catching up {short_count(spill.waiting)}", "bar_warn")]
    else:
        style = "bar" if status.store_lag_s < BEHIND_S else "bar_warn"
        word = (f"{warning} store FAILING", "bar_down") if status.store_problem else ("store", "bar_dim")
        cells = [word, (f" {status.store_lag_s:.1f} s", style)]
    if status.store_lost:
        cells += [("  ", "bar"), (f"{warning} store lost {short_count(status.store_lost)}", "bar_down")]
    if status.cache is not None and status.cache.redis == "down":
        cells += [("  ", "bar"), (f"{warning} cache", "bar_warn")]
    return cells


def store_problems(status: EngineStatus) -> list[str]:
    """What is wrong with the store and its cache now, as sentences."""
    down = _spill_problem(status.spill)
    known = "" if status.spill is None else status.spill.problem
    sentences = [f"store: {down}"] if down else []
    if status.store_problem and not (down and status.store_problem == known):
        sentences.append(f"store: {status.store_problem}")
    return sentences + [f"cache: {text}" for text in (cache_problem(status.cache),) if text]


def _spill_problem(spill: Spill | None) -> str:
    if spill is None or spill.mode not in (SPILLING, CATCHING_UP):
        return ""
    if spill.mode == CATCHING_UP:
        return f"the database was down and is catching up, {waiting_text(spill.waiting)}"
    return f"the database is down, {waiting_text(spill.waiting)} in the spill" + (
        f": {spill.problem}" if spill.problem else ""
    )


def cache_problem(cache: CacheState | None) -> str:
    """What is wrong with the cache, empty when nothing is."""
    if cache is None or cache.redis != "down":
        return ""
    return "Redis is down, only memory is used" + (f": {cache.problem}" if cache.problem else "")
