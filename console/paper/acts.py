"""What an operator may do to a desk, and to what: checked before anything is done, with words for what is wrong."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from console.paper.plan import ALL
from core.errors import NotFoundError, RefusedError, UsageError
from core.sim.lines import ACTS, ActLine

RESET: Final = "reset"
_OF_ACCOUNTS: Final = frozenset({"halt", "release"})


def checked_act(
    act: str,
    target: str,
    *,
    desk: str,
    labels: Collection[str],
    accounts: Collection[str],
    by: str,
    confirm: str,
    wall_ns: int,
) -> ActLine:
    """What to tell the desk. `target` is a label, an account or `all`.

    Raises:
        UsageError: there is no such act, or it needs `confirm` to be the name of the desk.
        NotFoundError: there is nothing of the name of `target`; the hint says what there is.
        RefusedError: it cannot be done while somebody trades.
    """
    if act == RESET:
        raise RefusedError("the desk is traded on", desk, hint="stop trading first, then `accounts reset`")
    kind = next((one for one in ACTS if one == act), None)
    if kind is None:
        raise UsageError("no such act", f"{act[:40]!a}", hint=f"there are {', '.join(ACTS)}")
    if kind == "kill":
        if confirm != desk:
            hint = f"it pauses, halts and closes everything: confirm it with the name of the desk, {desk}"
            raise UsageError("not confirmed", "kill", hint=hint)
        target = target or ALL
    named = () if kind == "kill" else accounts if kind in _OF_ACCOUNTS else (*labels, *accounts)
    if target != ALL and target not in named:
        hint = f"there are {', '.join((*dict.fromkeys(named), ALL))}"
        raise NotFoundError(f"nothing to {kind}", f"{target[:40]!a}", hint=hint)
    return ActLine(act=kind, target="" if target == ALL else target, by=by, wall_ns=wall_ns)
