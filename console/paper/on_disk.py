"""What there is to say of a desk by its files alone, whether somebody trades on it now or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from console.paper import audit
from console.paper.desks import desk_place, holder
from console.paper.document import MOST_ACTS, accounts_document, seen_on_tape
from console.paper.past import Past
from console.paper.session import find, sessions
from console.paper.tally import Tally
from core.clock import wall_ns
from core.errors import NotFoundError


def past_session(state_directory: Path, desk: str, session: str) -> Past:
    """A session of a desk by its name, the beginning of it, or `latest`.

    Raises:
        NotFoundError: there is none of that name, or none at all.
        ConsoleError: its files cannot be read, or make no sense.
    """
    folder = desk_place(state_directory, desk)
    if not sessions(folder):
        raise NotFoundError("nothing was ever traded on paper", f"desk {desk}", hint=f"{how_to_begin(desk)} begins")
    return find(folder, session)


def tally_of(past: Past) -> Tally:
    """What the lines of a session come to."""
    tally = Tally(past.head)
    tally.add(1, past.lines)
    return tally


def document_on_disk(state_directory: Path, desk: str, session: str) -> dict[str, Any]:
    """The document (`console.paper.document`) of a session of a desk. Raises what `past_session` does."""
    past = past_session(state_directory, desk, session)
    folder, now_ns = desk_place(state_directory, desk), wall_ns()
    who = holder(state_directory, desk)
    running = who is not None and sessions(folder)[-1] == past.head.session
    state = past.state()
    return accounts_document(
        past.head,
        state,
        tally_of(past),
        running=running,
        host={"instance": who.instance, "pid": who.pid} if running and who is not None else None,
        symbols=seen_on_tape(past.rows, state.markets, running=running, now_ns=now_ns),
        acts=audit.newest(folder, MOST_ACTS),
        notes=past.notes,
        latency=None,
        now_ns=now_ns,
    )


def how_to_begin(desk: str) -> str:
    """What makes somebody trade on a desk."""
    return f"ringside --batch live --paper-trading --strategy sma --symbols BTCUSD --desk {desk}"
