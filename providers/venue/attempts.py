"""Who may connect to a host when: one budget of attempts each, shared by all that connect from this event loop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import trio

from core.clock import NS_PER_S, wall_ns
from providers.connection import ConnectionState
from providers.venue.backoff import AttemptBudget, Reconnecting, backoff_delays
from providers.venue.transport import Address

STAND_IN_CEILING_S: Final = 1.0
"""A stand-in of a venue on this machine bans nobody, and a drill is not worth waiting for."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

# By event loop: its clock begins anew with each. A venue counts by address, so two legs and every restart share.
_BUDGETS: Final[trio.lowlevel.RunVar[dict[str, AttemptBudget]]] = trio.lowlevel.RunVar("attempts at hosts")


def is_loopback(host: str) -> bool:
    """Whether it is this machine."""
    return host in _LOOPBACK


def is_stand_in(address: Address) -> bool:
    """Whether it is a server on this machine: no venue is reached there, nor without encryption."""
    return not address.secure and is_loopback(address.host)


def budget_of(address: Address, figures: Reconnecting) -> AttemptBudget:
    """The budget of a host, by `figures` for whoever connects to it first. To be called on an event loop."""
    try:
        budgets = _BUDGETS.get()
    except LookupError:
        _BUDGETS.set(budgets := {})
    return budgets.setdefault(address.host.lower(), AttemptBudget(figures))


def delays_at(address: Address, figures: Reconnecting) -> Iterator[float]:
    """The delays between attempts in a row at `address`, in seconds."""
    return backoff_delays(ceiling_s=STAND_IN_CEILING_S) if is_stand_in(address) else figures.delays()


async def take_turn(budget: AttemptBudget, connection: ConnectionState) -> None:
    """Wait until an attempt may be made, which is then taken; meanwhile the connection's reason says until when."""
    reason = connection.reason
    while (wait_s := budget.wait_s(_now_ns())) > 0:
        figures = budget.figures
        spent = f"{figures.attempts} attempts in {figures.window_s / 60:g} min are spent, the next at {_in(wait_s)}"
        connection.enter(connection.status, f"{reason}; {spent}" if reason else spent)
        await trio.sleep(wait_s)
    budget.take(_now_ns())


def _now_ns() -> int:
    return int(trio.current_time() * NS_PER_S)


def _in(wait_s: float) -> str:
    # Rounded up: who looks at the time that was said finds the attempt made.
    return f"{datetime.fromtimestamp(wall_ns() // NS_PER_S + int(wait_s) + 1, UTC):%H:%M:%S} UTC"
