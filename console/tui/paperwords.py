"""What the status tells of paper trading, in words with signs: in the status line and among the problems. Pure."""

from __future__ import annotations

from console.tui.status import EngineStatus
from console.tui.text import Cell, Glyphs

FAILED = "failed"
TRADING = "trading"


def paper_cells(status: EngineStatus, glyphs: Glyphs, *, brief: bool = False) -> list[Cell]:
    """Paper trading's part of the status line, nothing for an engine that does not do it. In a `brief` one what is
    in trouble is counted together."""
    paper = status.paper
    if paper is None:
        return []
    gap: Cell = ("  ", "bar")
    if paper.state == FAILED:
        return [gap, (f"{glyphs.warning} paper failed", "bar_down")]
    if paper.state != TRADING:
        return [gap, (f"{glyphs.turning} paper {paper.state}", "bar_warn")]
    cells = [gap, ("paper ", "bar_dim"), (str(paper.strategies), "bar")]
    troubles = ((paper.stopped, "stopped", "bar_down"), (len(paper.halted), "halted", "bar_warn"))
    if brief and paper.stopped + len(paper.halted):
        style = "bar_down" if paper.stopped else "bar_warn"
        return [*cells, (f" {glyphs.warning} {paper.stopped + len(paper.halted)}", style)]
    for count, word, style in troubles:
        if count:
            cells += [(f" {glyphs.warning} {count} {word}", style)]
    return cells


def paper_problems(status: EngineStatus) -> list[str]:
    """What is wrong with paper trading now, as sentences."""
    paper = status.paper
    if paper is None:
        return []
    if paper.state == FAILED:
        return [f"paper trading has failed: {paper.reason or 'the log says why'}"]
    problems = [f"paper trading: account {one} is halted" for one in paper.halted]
    if paper.stopped:
        noun = "1 strategy was" if paper.stopped == 1 else f"{paper.stopped} strategies were"
        problems.append(f"paper trading: {noun} stopped; screen 2 says why")
    return problems
