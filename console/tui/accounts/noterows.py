"""All there is to know of an account and of the desk, as lines that scroll. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from console.tui.accounts.document import Account, Amount, Desk, Pockets
from console.tui.accounts.money import delay_text, plain_text
from console.tui.text import Glyphs, Row, fit, grouped, moment_text
from core.sim.risk import DAY_LOSS

_WIDEST = 60  # cells that no amount is wider than


def note_rows(desk: Desk, account: Account | None, *, top: int, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """At most `height` of `note_lines`, beginning with number `top`."""
    lines = note_lines(desk, account, width=width, glyphs=glyphs)
    return [((fit(f" {text}", width, ellipsis=glyphs.ellipsis), style),) for text, style in lines[top : top + height]]


def note_lines(desk: Desk, account: Account | None, *, width: int, glyphs: Glyphs) -> list[tuple[str, str]]:
    """Lines of text and style, each at most `width` cells."""
    parts: list[tuple[str, list[str], str]] = []
    if desk.notes:
        parts.append(("Notes", list(desk.notes), "warn"))
    if account is not None:
        parts.append((f"Account {account.id}", list(_account(account, glyphs)), "text"))
        lanes = [one for one in desk.lanes if one.account == account.id]
        parts.append(("Strategies", [
            " ".join(part for part in (
                f"{one.label} on {one.symbol} {one.venue}: {one.state}{f' ({one.reason})' if one.reason else ''},",
                one.strategy, f"sha256 {one.sha256}" if one.sha256 else "",
            ) if part)
            for one in lanes
        ] or ["none trades on it"], "text"))  # fmt: skip
    parts.append(("Desk", list(_desk(desk)), "text"))
    acts = [
        f"{moment_text(one.wall_ns, decimals=0)}  {one.act} {one.target} by {one.by}: {one.outcome or 'done'}"
        for one in desk.acts
    ]
    parts.append(("What operators did, newest first", acts or ["nothing yet"], "text"))
    lines: list[tuple[str, str]] = []
    for name, sentences, style in parts:
        lines += [("", ""), (name, "accent")] if lines else [(name, "accent")]
        for sentence in sentences:
            lines += [(part, style) for part in textwrap.wrap(sentence, max(width - 3, 1), subsequent_indent="  ")]
    return lines


def _account(account: Account, glyphs: Glyphs) -> Iterator[str]:
    def told(value: Amount) -> str:
        return f"{plain_text(value, width=_WIDEST, glyphs=glyphs)} {account.currency}"

    def pockets(found: Pockets) -> str:
        texts = [f"{plain_text(amount, width=_WIDEST, glyphs=glyphs)} {name}" for name, amount in found if amount]
        return ", ".join(texts) or "nothing"

    if account.halted:
        until = "the next day begins (UTC) or :release" if account.halted == DAY_LOSS else ":release"
        yield f"halted: {account.halted}; it gets no orders but those that reduce a position, until {until}"
    if account.liquidated:
        yield "liquidated: its losses took what it had"
    yield f"began with {told(account.initial)}, is worth {told(account.equity)}, leverage {account.leverage}"
    yield f"balances {pockets(account.balances)}; set aside for orders {pockets(account.locked)}"
    yield f"realised {told(account.realised)}, unrealised {told(account.unrealised)}, fees {told(account.fees)}"
    limits = [
        f"a position of {told(account.most_position)}" if account.most_position else "",
        f"a loss of {told(account.most_day_loss)} a day" if account.most_day_loss else "",
        f"{grouped(account.most_orders)} orders a minute" if account.most_orders else "",
    ]
    yield "at most " + (", ".join(one for one in limits if one) or "what it can pay: it has no limits")


def _desk(desk: Desk) -> Iterator[str]:
    yield f"{desk.name}, session {desk.session}, begun {moment_text(desk.created_ns, decimals=0)}"
    if desk.running:
        yield f"run by {desk.host or 'an engine'}, process {desk.pid}"
    else:
        yield "nobody trades on it now; this is how the last session left it"
    yield f"{grouped(desk.trades_seen)} trades seen"
    if desk.delays is not None:
        delays = desk.delays
        yield (
            f"from the ring to the disk {delay_text(delays.p50_us)},"
            f" {delay_text(delays.p99_us)} at the 99th percentile,"
            f" {delay_text(delays.max_us)} at most, of {grouped(delays.count)} steps"
        )
    yield "to begin anew with fresh accounts: ringside --batch accounts reset, while nobody trades on the desk"
