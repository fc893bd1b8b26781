"""`accounts pause|resume|halt|release|flatten|kill|reset`: what operators do to a desk.

The process that trades does it and keeps the audit log; it is asked over its control channel. Only `reset` is done
here, and only while nobody trades.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.accounts import place_of
from console.batch.operator import operator_name
from console.batch.settings_options import settings_from
from core.errors import ConsoleError, NotFoundError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from core.sim.lines import AccountLine
    from core.sim.state import DeskState

RESET: Final = "reset"
_ALL: Final = "all"


def run(arguments: argparse.Namespace) -> int:
    """Do what was chosen, and print what came of it."""
    state_directory, desk = place_of(arguments)
    confirm = getattr(arguments, "confirm", "")
    if arguments.action == RESET:
        answer = _reset(state_directory, desk, arguments, confirm=confirm)
    else:
        target = getattr(arguments, "target", _ALL)
        answer = _ask(state_directory, desk, arguments.action, target=target, confirm=confirm)
    output.write_object({"schema_version": 1, "desk": desk} | answer, form=arguments.format)
    return 0


def _ask(state_directory: Path, desk: str, act: str, *, target: str, confirm: str) -> dict[str, Any]:
    from console.batch import control
    from console.paper.desks import desk_place, holder
    from console.paper.on_disk import how_to_begin

    who = holder(state_directory, desk)
    if who is not None and not who.instance:
        raise UnreachableError("nobody can tell who trades on this desk", desk, hint="try again")
    if who is not None:
        return control.ask(who.instance, act, target=target, confirm=confirm)
    error = NotFoundError("nobody trades on this desk now", desk, hint=f"{how_to_begin(desk)} begins")
    _note(desk_place(state_directory, desk), act, target, f"refused: {error.operation}: {error.subject}")
    raise error


def _reset(state_directory: Path, desk: str, arguments: argparse.Namespace, *, confirm: str) -> dict[str, Any]:
    from console.paper.desks import desk_folder, desk_place
    from console.paper.session import begin, sessions
    from core.clock import wall_ns
    from core.sim.state import SessionHead

    place = desk_place(state_directory, desk)
    if not sessions(place):
        raise NotFoundError("nothing was ever traded on paper", f"desk {desk}")
    try:
        with desk_folder(state_directory, desk) as folder:
            before = list(_before(state_directory, desk))
            output.talk(f"desk {desk} is", *(f"  {line}" for line in before))
            if confirm != desk:
                hint = f"--confirm {desk} makes all that a thing of the past; it can still be looked at"
                raise RefusedError("not confirmed", f"reset of desk {desk}", hint=hint)
            state = _fresh(folder, arguments)
            _note(folder, RESET, _ALL, f"asked for; it was: {'; '.join(before)}")
            begun = begin(folder, SessionHead(session="", desk=desk, created_ns=wall_ns(), state=state))
            begun.close()
    except ConsoleError as error:
        _note(place, RESET, _ALL, f"refused: {error.operation}: {error.subject}")
        raise
    _note(place, RESET, _ALL, f"done: session {begun.head.session}")
    return {"act": RESET, "session": begun.head.session, "accounts": [_begun(one) for one in state.accounts]}


def _before(state_directory: Path, desk: str) -> Iterator[str]:
    # What a reset does away with, in words. That it cannot be read is a reason to reset.
    from console.paper.on_disk import document_on_disk

    try:
        document = document_on_disk(state_directory, desk, "latest")
    except ConsoleError as error:
        yield f"not to be read: {error}"
        return
    yield f"in session {document['session']}"
    for one in document["accounts"]:
        yield f"account {one['id']}: worth {one['equity']} {one['currency']}, began with {one['initial']}"
    for one in document["positions"]:
        yield f"account {one['account']}: holds {one['quantity']} {one['symbol']} on {one['venue']}"
    if waiting := len(document["orders"]):
        yield f"orders that wait: {waiting}"


def _fresh(folder: Path, arguments: argparse.Namespace) -> DeskState:
    # Accounts as the settings have them; what they trade comes with the next session, and what they have then follows
    # from the settings once more.
    from console.account_settings import paper_accounts_of
    from console.paper.merging import opened
    from console.paper.plan import PLACEHOLDER
    from core.sim.state import DeskState

    settings = settings_from(arguments).settings
    default = settings.accounts.default
    currency = default.currency or _currency_before(folder, default.id) or PLACEHOLDER
    specs = paper_accounts_of(settings, currency=currency).specs()
    return DeskState(
        markets=[],
        lanes=[],
        accounts=[opened(spec) for spec in specs],
        limits={spec.id: spec.limits for spec in specs},
    )


def _currency_before(folder: Path, account: str) -> str:
    # That of an account to which the settings give none: it was decided by what it traded.
    from console.paper.session import find, sessions

    for name in reversed(sessions(folder)):
        with contextlib.suppress(ConsoleError):
            for line in find(folder, name).head.state.accounts:
                if line.id == account:
                    return line.currency
    return ""


def _begun(line: AccountLine) -> dict[str, Any]:
    from core.sim.accounts import format_amount

    return {"id": line.id, "initial": format_amount(line.initial_e12), "currency": line.currency}


def _note(folder: Path, act: str, target: str, outcome: str) -> None:
    # A desk that never was has no log.
    from console.paper.audit import AuditEntry, append
    from core.clock import wall_ns

    if folder.is_dir():
        append(folder, AuditEntry(wall_ns=wall_ns(), act=act, target=target, by=operator_name(), outcome=outcome))
