"""What operators may do to a desk, and what they are told otherwise."""

from __future__ import annotations

import pytest

from console.paper.acts import checked_act
from core.errors import ConsoleError, NotFoundError, RefusedError, UsageError
from core.sim.lines import ActLine


def asked(act: str, target: str = "", confirm: str = "") -> ActLine:
    """The act on a desk of one strategy on two accounts."""
    return checked_act(
        act, target, desk="d", labels=["sma"], accounts=["A", "B"], by="me", confirm=confirm, wall_ns=5
    )


def test_all_is_nothing_in_particular() -> None:
    """A line that names nothing is about everything."""
    assert asked("pause", "all") == ActLine(act="pause", target="", by="me", wall_ns=5)
    assert asked("flatten", "sma").target == "sma"
    assert asked("halt", "B").target == "B"
    assert asked("kill", confirm="d") == ActLine(act="kill", target="", by="me", wall_ns=5)


@pytest.mark.parametrize(
    ("act", "target", "confirm", "kind", "said"),
    [
        ("jump", "all", "", UsageError, "pause, resume"),
        ("kill", "all", "", UsageError, "name of the desk, d"),
        ("kill", "sma", "d", NotFoundError, "nothing to kill"),
        ("pause", "", "", NotFoundError, "there are sma, A, B, all"),
        ("halt", "sma", "", NotFoundError, "there are A, B, all"),
        ("release", "\x1b", "", NotFoundError, "x1b"),
        ("reset", "", "d", RefusedError, "stop trading first"),
    ],
)
def test_what_cannot_be_done_is_said(
    act: str, target: str, confirm: str, kind: type[ConsoleError], said: str
) -> None:
    """No such act, nothing of that name, not confirmed, not while somebody trades."""
    with pytest.raises(kind, match=said):
        asked(act, target, confirm)
