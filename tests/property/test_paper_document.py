"""Whatever a desk is told, what is said of it adds up, and is the same by its files as it was while it traded."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from console.paper.document import accounts_document, seen_on_tape
from console.paper.on_disk import document_on_disk
from console.paper.tally import Tally
from core.sim.lines import ActKind
from core.strategy import CANCEL, HOLD, Signal, buy, sell
from tests.unit.console.paper.desks import DESK, KEYS, PERPETUAL, SPOT, act, beginning, head, tick, write
from tests.unit.core.sim.desks import Recorded
from tests.unit.core.sim.scripted import Scripted

ACTS: Final[tuple[ActKind, ...]] = ("pause", "resume", "halt", "release", "flatten", "kill")
SIGNALS: Final = st.one_of(
    st.just(HOLD),
    st.just(CANCEL),
    st.builds(buy, st.integers(1, 8)),
    st.builds(sell, st.integers(1, 8)),
    st.builds(lambda quantity, price: buy(quantity, limit=price), st.integers(1, 5), st.integers(85, 112)),
    st.builds(lambda quantity, price: sell(quantity, limit=price), st.integers(1, 5), st.integers(85, 112)),
    st.builds(lambda quantity, price: sell(quantity, stop=price), st.integers(1, 5), st.integers(85, 112)),
)
ANSWERS: Final = st.dictionaries(st.integers(0, 60), SIGNALS, max_size=25)
OPERATED: Final = st.dictionaries(
    st.integers(0, 60), st.tuples(st.sampled_from(ACTS), st.sampled_from(("", "long", "short", "main", "margin")))
)

NOT_KEPT: Final = ("running", "host", "now_ns", "latency")
"""What the files do not know, or is of the moment."""


def played(long: dict[int, Signal], short: dict[int, Signal], acts: dict[int, tuple[ActKind, str]]) -> Recorded:
    """A desk whose strategies answer so, and to which operators do this."""
    recorded = Recorded(beginning(), {("long", SPOT): Scripted(long), ("short", PERPETUAL): Scripted(short)})
    for number in range(60):
        for key in KEYS:
            recorded.trades(key, tick(number))
        if number in acts:
            recorded.act(act(*acts[number]))
    return recorded


def said_live(recorded: Recorded, session: str) -> dict[str, Any]:
    """The document that the host of the desk makes, which counted step by step."""
    begun = head(recorded.state, session=session)
    tally, written = Tally(begun), 0
    for step in recorded.steps:
        tally.add(written + 1, recorded.lines[written : step.lines])
        written = step.lines
    state = recorded.desk.state()
    return accounts_document(
        begun,
        state,
        tally,
        running=True,
        host={"instance": "x", "pid": 1},
        symbols=seen_on_tape(recorded.rows, state.markets, running=False, now_ns=0),
        acts=(),
        notes=(),
        latency=None,
        now_ns=1,
    )


@given(ANSWERS, ANSWERS, OPERATED)
@settings(max_examples=40, deadline=None)
def test_the_files_say_what_the_host_said(
    long: dict[int, Signal], short: dict[int, Signal], acts: dict[int, tuple[ActKind, str]]
) -> None:
    """The document by the files of a session is that of the process that wrote it, and every account adds up."""
    recorded = played(long, short, acts)
    with tempfile.TemporaryDirectory() as directory:
        session = write(Path(directory), recorded)
        found = document_on_disk(Path(directory), DESK, "latest")
    live = said_live(recorded, session)
    if any(kind == "release" for kind, _ in acts.values()):
        # From what a day's loss is counted then, files know when the account is next written down.
        for one in (*found["accounts"], *live["accounts"]):
            one.pop("today")
    assert {name: found[name] for name in found if name not in NOT_KEPT} == {
        name: live[name] for name in live if name not in NOT_KEPT
    }
    for one in found["accounts"]:
        made = {name: Decimal(one[name]) for name in ("initial", "realised", "unrealised", "fees", "equity")}
        assert made["equity"] == made["initial"] + made["realised"] + made["unrealised"] - made["fees"]
        held = [row for row in found["positions"] if row["account"] == one["id"]]
        assert Decimal(one["unrealised"]) == sum(Decimal(row["unrealised"]) for row in held)
