"""The upper half of the Accounts screen: the accounts there are, what one is worth, and its curve. Pure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from console.tui.accounts.document import RUNNING, Account, Amount, Desk
from console.tui.accounts.money import (
    big_rows,
    exact_text,
    gain_cell,
    less,
    money_text,
    places_of,
    plain_text,
    share_cell,
)
from console.tui.accounts.place import ACCOUNT_ROWS, Layout, Place
from console.tui.plot import Curve, plot_rows
from console.tui.text import CURSOR, Cell, Glyphs, Row, fit, fit_row, title_row

_FIGURES: Final = 44
_LEAST_COLUMN: Final = 24
_BIG: Final = 3
_LEAST_CURVE: Final = 3
_EARLY: Final = "the curve begins with the first minute in which something is traded"


def head_rows(desk: Desk, place: Place, layout: Layout, *, width: int, glyphs: Glyphs) -> list[Row]:
    """Exactly `layout.head` rows of `width` cells."""
    left = list_rows(desk, place, layout, glyphs=glyphs)
    inner = width - layout.list_width
    account = next((one for one in desk.accounts if one.id == place.account), None)
    right = [fit_row(((glyphs.bar, "grid"),), inner)] * layout.head
    if account is not None:
        right = account_rows(
            desk, account, width=inner, height=layout.head, beside=layout.beside, glyphs=glyphs
        )  # fmt: skip
    return [(*one, *other) for one, other in zip(left, right, strict=True)]


def state_cell(desk: Desk, account: Account, glyphs: Glyphs) -> Cell:
    """Whether an account trades, in a word with a sign."""
    if account.liquidated:
        return f"{glyphs.warning} liquidated", "alert"
    if account.halted:
        return f"{glyphs.warning} halted", "alert"
    lanes = [one for one in desk.lanes if one.account == account.id]
    for state in ("stopped", "paused"):
        if count := sum(one.state == state for one in lanes):
            return f"{glyphs.warning} {count} {state}", "warn"
    if not lanes:
        return f"{glyphs.quiet} idle", "dim"
    if not desk.running:
        return f"{glyphs.quiet} at rest", "dim"
    going = sum(one.state == RUNNING for one in lanes)
    return f"{glyphs.light} {going} running", "up"


def list_rows(desk: Desk, place: Place, layout: Layout, *, glyphs: Glyphs) -> list[Row]:
    """The list of accounts, two rows each."""
    width, seen, top = layout.list_width, layout.accounts_seen, place.top("accounts")
    focused = place.focus == "accounts"
    total, last = len(desk.accounts), min(top + seen, len(desk.accounts))
    count = f"{total}" if total <= seen else f"{last} of {total}"
    marker = glyphs.cursor if focused else ""
    rows = [title_row(((f"{marker}Accounts", "accent" if focused else "title"), (count, "dim")), width, glyphs)]
    for account in desk.accounts[top : top + seen]:
        rows += _account_entry(desk, account, here=account.id == place.account, width=width, glyphs=glyphs)
    rows += [fit_row((), width)] * (layout.head - len(rows))
    return rows[: layout.head]


def _account_entry(desk: Desk, account: Account, *, here: bool, width: int, glyphs: Glyphs) -> list[Row]:
    state, style = state_cell(desk, account, glyphs)
    room = max(width - len(state) - 3, 4)
    share, share_style = share_cell(account.share, glyphs=glyphs)
    worth = money_text(
        account.equity,
        width=max(width - len(share) - 4, 6),
        decimals=min(places_of(account.initial), 2),
        glyphs=glyphs,
    )
    if len(worth) + len(account.currency) + len(share) + 5 <= width:
        worth = f"{worth} {account.currency}"
    first: list[Cell] = [(glyphs.cursor if here else " ", "accent")]
    first += [(fit(account.id, room, ellipsis=glyphs.ellipsis), "symbol"), (" ", ""), (state, style)]
    second: list[Cell] = [("  ", ""), (worth, "text"), (" " * max(width - len(worth) - len(share) - 3, 0), "")]
    second.append((share, share_style))
    ground = CURSOR if here else ""
    pair = [fit_row(tuple((text, name + ground) for text, name in row), width, ground) for row in (first, second)]
    assert len(pair) == ACCOUNT_ROWS
    return pair


# -- the chosen account --------------------------------------------------------------------------------------------


def account_rows(desk: Desk, account: Account, *, width: int, height: int, beside: bool, glyphs: Glyphs) -> list[Row]:
    """What an account is worth, and how that went: exactly `height` rows."""
    inner = width - 1
    title = title_row(_title(desk, account, glyphs), width, glyphs, edge=glyphs.cross)
    room = height - 1
    if beside:
        figures = _figure_block(account, width=_FIGURES, height=room, glyphs=glyphs)
        curve = _curve_rows(desk, account, width=inner - _FIGURES - 1, height=room, glyphs=glyphs)
        body = [(*one, (" ", ""), *other) for one, other in zip(figures, curve, strict=True)]
    else:
        figures_room = room - _LEAST_CURVE if room >= 2 * _LEAST_CURVE else room  # a lower curve tells nothing
        body = _lines(account, width=inner, most=figures_room, big=False, glyphs=glyphs)[:figures_room]
        body += _curve_rows(desk, account, width=inner, height=room - len(body), glyphs=glyphs)
    return [title, *(fit_row(((glyphs.bar, "grid"), *row), width) for row in body)]


def _title(desk: Desk, account: Account, glyphs: Glyphs) -> Row:
    state, style = state_cell(desk, account, glyphs)
    leverage = f"{account.leverage}x leverage" if account.leverage > 1 else ""
    return (account.id, "accent"), (account.currency, "text"), (state, style), (leverage, "dim")


def _figure_block(account: Account, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    lines = _lines(account, width=width, most=height, big=True, glyphs=glyphs)
    return [*lines, *([fit_row((), width)] * (height - len(lines)))][:height]


def _lines(account: Account, *, width: int, most: int, big: bool, glyphs: Glyphs) -> list[Row]:
    facts = _facts(account, glyphs)
    rows = [*_equity_rows(account, width=width, big=big and most >= len(facts) // 2 + _BIG + 3, glyphs=glyphs)]
    rows += _trouble_rows(account, width=width, most=2 if most > 8 else 1, glyphs=glyphs)
    left = max(most - len(rows), 1)
    columns = next((count for count in (1, 2, 3) if -(-len(facts) // count) <= left), 3)
    columns = min(columns, max(width // _LEAST_COLUMN, 1))
    each = width // columns
    for number in range(min(-(-len(facts) // columns), left)):
        cells: list[Cell] = []
        for label, told in facts[number * columns : (number + 1) * columns]:
            room = max(each - len(label) - 3, 4)
            text, style = told(room)
            cells += [(f" {label} ", "dim"), (text.rjust(room), style), (" ", "")]
        rows.append(fit_row(tuple(cells), width))
    return rows


def _equity_rows(account: Account, *, width: int, big: bool, glyphs: Glyphs) -> list[Row]:
    currency = f" {account.currency}"
    exact = exact_text(account.equity, width=max(width - len(currency) - 9, 4), glyphs=glyphs)
    row: Row = ((" equity ", "dim"), (exact, "accent"), (currency, "text"))
    rows = [fit_row(row, width)]
    if big:
        decimals = min(places_of(account.initial), 4)
        text = money_text(account.equity, width=width, decimals=decimals, glyphs=glyphs)
        drawn = big_rows(text, glyphs=glyphs)
        if drawn is not None and len(drawn[0]) + 2 > width:  # whole units still say what matters
            drawn = big_rows(money_text(account.equity, width=width, decimals=0, glyphs=glyphs), glyphs=glyphs)
        if drawn is not None and len(drawn[0]) + 2 <= width:
            rows = [*(fit_row(((f" {line}", "accent"),), width) for line in drawn), *rows]
    return rows


def _trouble_rows(account: Account, *, width: int, most: int, glyphs: Glyphs) -> list[Row]:
    reason = account.halted or ("its losses took what it had" if account.liquidated else "")
    if not reason:
        return []
    word = "liquidated" if account.liquidated else "halted"
    lines = textwrap.wrap(f"{glyphs.warning} {word}: {reason}", max(width - 2, 10))
    kept = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [((fit(f" {line}", width, ellipsis=glyphs.ellipsis), "alert"),) for line in kept]


def _facts(account: Account, glyphs: Glyphs) -> list[tuple[str, Callable[[int], Cell]]]:
    # Each with what it says in a number of cells.
    places = places_of(account.initial)

    def plain(value: Amount) -> Callable[[int], Cell]:
        return lambda width: (money_text(value, width=width, decimals=places, glyphs=glyphs), "text")

    def gain(value: Amount) -> Callable[[int], Cell]:
        return lambda width: gain_cell(value, width=width, decimals=places, glyphs=glyphs)

    def held(value: Amount) -> Callable[[int], Cell]:
        return lambda width: (plain_text(value, width=width, glyphs=glyphs), "text")

    def profit(width: int) -> Cell:
        text, style = gain(less(account.equity, account.initial))(width)
        share, _style = share_cell(account.share, glyphs=glyphs)
        return (f"{text}  {share}", style) if share and len(text) + len(share) + 2 <= width else (text, style)

    locked = dict(account.locked)
    others = [(name, amount) for name, amount in account.locked if name != account.currency and amount]
    return [
        ("profit", profit),
        ("today", gain(account.today)),
        ("realised", gain(account.realised)),
        ("unrealised", gain(account.unrealised)),
        ("free", plain(account.free)),
        ("locked", plain(locked.get(account.currency, Decimal(0)))),
        *((f"locked {name}", held(amount)) for name, amount in others[:1]),
        ("margin", plain(account.margin)),
        ("fees", plain(account.fees)),
    ]


def _curve_rows(desk: Desk, account: Account, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    blank = fit_row((), width)
    if height < 1:
        return []
    ts_ns, values = list(account.curve.ts_ns), list(account.curve.values)
    if account.equity is not None and ts_ns and desk.newest_ns > ts_ns[-1]:
        ts_ns.append(desk.newest_ns)
        values.append(float(account.equity))
    if len(ts_ns) < 2:
        rows = [blank] * height
        lines = textwrap.wrap(_EARLY, max(width - 4, 10))
        for number, line in enumerate(lines[:height], start=max((height - len(lines)) // 2, 0)):
            rows[number] = ((fit(line[:width].center(width), width), "dim"),)
        return rows
    base = math.nan if account.initial is None else float(account.initial)
    curve = Curve(ts_ns=ts_ns, values=values, base=base, styles=("up", "down"))
    return plot_rows(curve, width=width, height=height, glyphs=glyphs, times=height > _LEAST_CURVE)
