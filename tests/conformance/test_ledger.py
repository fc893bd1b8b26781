"""What every ledger of purchases must do, wherever it is kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from core.clock import DAY_NS, NS_PER_S, parse_rfc3339_ns
from core.errors import NotFoundError, PermanentError, RefusedError
from core.store.jobs import CatalogueJobs, Job, JobLog, PostgresJobs
from core.store.postgres.spending import PostgresLedger
from core.store.spending import ASKED, BOUGHT, VOID, Budget, CatalogueLedger, Ledger, Purchase, Spent

NOON_NS = parse_rfc3339_ns("2026-11-22T12:00:00.123456Z")
UNLIMITED = Budget()
ROUNDS = 25
ES = Purchase(
    job_id="", provider="databento", dataset="GLBX.MDP3", schema="trades", symbol="ESH5", start_ns=0,
    end_ns=2**62, estimated_usd=Decimal("12.345678"),
)  # fmt: skip

BUYER = """
import sys
from decimal import Decimal
from pathlib import Path
from core.errors import RefusedError
from core.store.postgres.spending import PostgresLedger
from core.store.spending import Budget, CatalogueLedger, Purchase

url, catalogue = sys.argv[1:]
wanted = Purchase(job_id="", provider="databento", dataset="GLBX.MDP3", schema="trades", symbol="ESH5", start_ns=0,
                  end_ns=1, estimated_usd=Decimal("6"))
ledger = PostgresLedger(url) if url else CatalogueLedger(Path(catalogue))
ledger.spent(0)
print("ready", flush=True)
for line in sys.stdin:
    try:
        ledger.reserve(wanted, Budget(daily_usd=Decimal("10")), now_ns=int(line))
    except RefusedError as error:
        print("refused", error.subject, flush=True)
    else:
        print("bought", flush=True)
"""
"""Wants six of ten dollars of the day of each instant that it is told."""


@attrs.frozen
class Place:
    """Where a ledger is kept: in the database at `url`, or in the catalogue when that is empty."""

    url: str
    catalogue: Path

    def ledger(self) -> Ledger:
        """The ledger; the caller closes it."""
        return PostgresLedger(self.url) if self.url else CatalogueLedger(self.catalogue)

    def jobs(self) -> JobLog:
        """The log of jobs beside it; the caller closes it."""
        return PostgresJobs(self.url) if self.url else CatalogueJobs(self.catalogue)


Open = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where to keep a ledger, for each implementation."""
    url = request.getfixturevalue("migrated_url") if request.param == "postgres" else ""
    return Place(url, tmp_path / "catalogue.sqlite3")


@pytest.fixture
def reopen(place: Place) -> Iterator[Open]:
    """Opens the same ledger again and again."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(place.ledger()))


@pytest.fixture
def ledger(reopen: Open) -> Ledger:
    """An empty ledger."""
    return reopen()


def priced(estimated_usd: str) -> Purchase:
    """A purchase that is to cost so much."""
    return attrs.evolve(ES, estimated_usd=Decimal(estimated_usd))


def buy(ledger: Ledger, estimated_usd: str, now_ns: int, *, paid_usd: str | None) -> int:
    """Reserve and settle; the number of the purchase."""
    spend_id = ledger.reserve(priced(estimated_usd), UNLIMITED, now_ns=now_ns).spend_id
    paid = None if paid_usd is None else Decimal(paid_usd)
    ledger.settle(spend_id, state=BOUGHT, paid_usd=paid, rows=1, billed_bytes=16, order_id="o")
    return spend_id


def spent(today_usd: str, month_usd: str) -> Spent:
    """Amounts of a day and a month."""
    return Spent(today_usd=Decimal(today_usd), month_usd=Decimal(month_usd))


def test_a_new_ledger_is_empty(ledger: Ledger) -> None:
    """Nothing was bought and nothing spent."""
    assert ledger.purchases(states=(ASKED, BOUGHT, VOID)) == []
    assert ledger.spent(NOON_NS) == spent("0", "0")


def test_a_purchase_is_kept_as_it_was_asked_for(ledger: Ledger, reopen: Open) -> None:
    """Every field is there after a restart, to the last millionth of a dollar, whatever state it claimed."""
    odd = attrs.evolve(
        ES, symbol="a'; DROP TABLE spend; -- %s é", state=BOUGHT, paid_usd=Decimal(5), order_id="JOB-1"
    )
    asked = ledger.reserve(odd, UNLIMITED, now_ns=NOON_NS)
    wanted = attrs.evolve(
        odd, spend_id=asked.spend_id, state=ASKED, paid_usd=Decimal(0), spent_ns=NOON_NS // 1000 * 1000
    )
    assert asked == wanted
    assert asked.spend_id > 0
    assert reopen().purchases() == [wanted]
    assert str(reopen().purchases()[0].estimated_usd) == "12.345678"


def test_settling_says_what_became_of_it(ledger: Ledger, reopen: Open) -> None:
    """State, price, size and order are those that were said; what is not bought is listed when it is asked for."""
    first, second = (ledger.reserve(ES, UNLIMITED, now_ns=NOON_NS) for _ in range(2))
    ledger.settle(
        first.spend_id, state=BOUGHT, paid_usd=Decimal("12.4"), rows=2**40, billed_bytes=2**45, order_id="GLBX-1"
    )
    ledger.settle(second.spend_id, state=VOID, paid_usd=Decimal(7), rows=0, billed_bytes=0, order_id="")
    bought = attrs.evolve(
        first, state=BOUGHT, paid_usd=Decimal("12.4"), rows=2**40, billed_bytes=2**45, order_id="GLBX-1"
    )
    assert reopen().purchases() == [bought]
    assert reopen().purchases(states=(VOID,)) == [attrs.evolve(second, state=VOID)]
    assert reopen().purchases(states=()) == []
    assert reopen().spent(NOON_NS) == spent("12.4", "12.4")


def test_more_may_be_said_of_a_purchase_later(ledger: Ledger) -> None:
    """What was not said again stays: the order, and the price, which at first is the estimate."""
    number = ledger.reserve(ES, UNLIMITED, now_ns=NOON_NS).spend_id
    ledger.settle(number, state=BOUGHT, paid_usd=None, rows=0, billed_bytes=0, order_id="GLBX-1")
    assert [(one.paid_usd, one.order_id) for one in ledger.purchases()] == [(Decimal("12.345678"), "GLBX-1")]
    ledger.settle(number, state=BOUGHT, paid_usd=Decimal("3"), rows=5, billed_bytes=80, order_id="")
    ledger.settle(number, state=BOUGHT, paid_usd=None, rows=6, billed_bytes=96, order_id="")
    (found,) = ledger.purchases()
    assert (found.paid_usd, found.rows, found.billed_bytes, found.order_id) == (Decimal("3"), 6, 96, "GLBX-1")


def test_what_was_paid_is_never_forgotten(ledger: Ledger) -> None:
    """A bought purchase cannot be void; a void one that was bought after all counts again."""
    number = buy(ledger, "1", NOON_NS, paid_usd="1")
    with pytest.raises(RefusedError, match="what was paid is not forgotten"):
        ledger.settle(number, state=VOID, paid_usd=None, rows=0, billed_bytes=0, order_id="")
    other = ledger.reserve(priced("2"), UNLIMITED, now_ns=NOON_NS).spend_id
    ledger.settle(other, state=VOID, paid_usd=None, rows=0, billed_bytes=0, order_id="")
    assert ledger.spent(NOON_NS) == spent("1", "1")
    ledger.settle(other, state=BOUGHT, paid_usd=None, rows=0, billed_bytes=0, order_id="late")
    assert ledger.spent(NOON_NS) == spent("3", "3")


def test_what_is_not_there_cannot_be_settled(ledger: Ledger) -> None:
    """A number that was never given out is told; nothing is written."""
    with pytest.raises(NotFoundError, match="no purchase has the number 77"):
        ledger.settle(77, state=BOUGHT, paid_usd=Decimal(1), rows=0, billed_bytes=0, order_id="")
    assert ledger.purchases() == []


@pytest.mark.parametrize(("rows", "billed_bytes"), [(-1, 0), (0, 2**63), (10**4000, 0)])
def test_sizes_that_make_no_sense_are_refused(ledger: Ledger, rows: int, billed_bytes: int) -> None:
    """What a seller says may be anything; the purchase stays as it was."""
    asked = ledger.reserve(ES, UNLIMITED, now_ns=NOON_NS)
    with pytest.raises(PermanentError, match="out of all bounds"):
        ledger.settle(asked.spend_id, state=BOUGHT, paid_usd=None, rows=rows, billed_bytes=billed_bytes, order_id="")
    assert [one.state for one in ledger.purchases()] == [ASKED]


def test_days_and_months_are_those_of_utc(ledger: Ledger) -> None:
    """What is asked for in the last nanosecond of a day or a month is of that one, whenever it is settled."""
    december_ns = parse_rfc3339_ns("2026-12-01T00:00:00Z")
    buy(ledger, "1", parse_rfc3339_ns("2026-11-01T00:00:00Z"), paid_usd="1")
    buy(ledger, "10", december_ns - DAY_NS - 1, paid_usd="10")
    buy(ledger, "100", december_ns - 1, paid_usd=None)
    buy(ledger, "1000", december_ns, paid_usd="1000")
    assert ledger.spent(december_ns) == spent("1000", "1000")
    ledger.settle(4, state=BOUGHT, paid_usd=Decimal(0), rows=0, billed_bytes=0, order_id="")
    assert ledger.spent(december_ns) == spent("0", "0")
    assert ledger.spent(december_ns - 1) == spent("100", "111")
    assert ledger.spent(december_ns - DAY_NS - 1) == spent("110", "111")


def test_asked_counts_with_its_estimate_and_bought_with_its_price(ledger: Ledger) -> None:
    """Both together, and nothing for what is void."""
    buy(ledger, "5", NOON_NS, paid_usd="5.25")
    ledger.reserve(priced("0.000001"), UNLIMITED, now_ns=NOON_NS)
    void = ledger.reserve(priced("100"), UNLIMITED, now_ns=NOON_NS).spend_id
    assert ledger.spent(NOON_NS) == spent("105.250001", "105.250001")
    ledger.settle(void, state=VOID, paid_usd=None, rows=0, billed_bytes=0, order_id="")
    assert ledger.spent(NOON_NS) == spent("5.250001", "5.250001")


def test_what_is_over_the_budget_is_refused(ledger: Ledger) -> None:
    """Nothing is written, and it is said which budget, what is left of it and what it would have cost."""
    budget = Budget(daily_usd=Decimal("10"), monthly_usd=Decimal("20"))
    ledger.reserve(priced("6.90"), budget, now_ns=NOON_NS)
    with pytest.raises(RefusedError) as refused:
        ledger.reserve(priced("3.100001"), budget, now_ns=NOON_NS)
    assert refused.value.operation == "over budget"
    assert refused.value.subject == "GLBX.MDP3 trades of ESH5 for $3.100001: $3.10 of the daily $10.00 are left"
    assert refused.value.hint == "raise backfill.daily_budget_usd, or wait until 00:00 UTC"
    assert len(ledger.purchases()) == 1
    ledger.reserve(priced("3.10"), budget, now_ns=NOON_NS)
    ledger.reserve(priced("10"), budget, now_ns=NOON_NS + DAY_NS)
    with pytest.raises(RefusedError, match=r"\$0\.00 of the monthly \$20\.00 are left .*until 2026-12-01 00:00 UTC"):
        ledger.reserve(priced("0.01"), budget, now_ns=NOON_NS + DAY_NS)
    ledger.reserve(priced("10"), budget, now_ns=NOON_NS + 10 * DAY_NS)


def test_a_budget_of_nothing_lets_only_what_is_free_pass(ledger: Ledger) -> None:
    """The least amount is refused, and what costs nothing passes, also when more than the budget is spent."""
    nothing = Budget(daily_usd=Decimal(0), monthly_usd=Decimal(0))
    for _ in range(2):
        with pytest.raises(RefusedError, match="over budget"):
            ledger.reserve(priced("0.000001"), nothing, now_ns=NOON_NS)
        assert ledger.reserve(priced("0"), nothing, now_ns=NOON_NS).spend_id > 0
        ledger.reserve(priced("50"), UNLIMITED, now_ns=NOON_NS)


def test_of_two_processes_one_gets_the_last_dollars(place: Place, ledger: Ledger) -> None:
    """Two that want six of ten dollars at once never both pass: each time one buys and one is refused."""
    refused = "refused GLBX.MDP3 trades of ESH5 for $6.00: $4.00 of the daily $10.00 are left\n"
    command = [sys.executable, "-c", BUYER, place.url, str(place.catalogue)]
    with ExitStack() as stack:
        buyers = [stack.enter_context(started(command)) for _ in range(2)]
        assert [said(buyer) for buyer in buyers] == ["ready\n"] * 2
        for day in range(ROUNDS):
            now_ns = NOON_NS + day * DAY_NS
            for buyer in buyers:
                assert buyer.stdin is not None
                buyer.stdin.write(f"{now_ns}\n")
                buyer.stdin.flush()
            assert sorted(said(buyer) for buyer in buyers) == ["bought\n", refused]
            assert ledger.spent(now_ns).today_usd == Decimal(6)


def test_what_was_reserved_outlives_a_kill(place: Place, ledger: Ledger) -> None:
    """A process that is killed with SIGKILL once it said that it bought left its purchase behind, and only that."""
    with started([sys.executable, "-c", BUYER, place.url, str(place.catalogue)]) as buyer:
        assert said(buyer) == "ready\n"
        assert buyer.stdin is not None
        buyer.stdin.write(f"{NOON_NS}\n")
        buyer.stdin.flush()
        assert said(buyer) == "bought\n"
        buyer.kill()
    assert [(one.state, one.estimated_usd) for one in ledger.purchases()] == [(ASKED, Decimal(6))]
    ledger.reserve(priced("4"), Budget(daily_usd=Decimal(10)), now_ns=NOON_NS)


def started(command: list[str]) -> subprocess.Popen[str]:
    """A process that is told lines and says lines; leaving it ends it."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    """The next line that it says."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_purchases_are_listed_from_a_time_on(ledger: Ledger) -> None:
    """Oldest first, those of one instant as they came; the first instant is within."""
    times = [NOON_NS + NS_PER_S, NOON_NS, NOON_NS + NS_PER_S, NOON_NS + 2 * NS_PER_S]
    numbers = [ledger.reserve(ES, UNLIMITED, now_ns=now_ns).spend_id for now_ns in times]
    later = [numbers[0], numbers[2], numbers[3]]
    assert [one.spend_id for one in ledger.purchases()] == [numbers[1], *later]
    assert [one.spend_id for one in ledger.purchases(since_ns=(NOON_NS + NS_PER_S) // 1000 * 1000)] == later
    assert [one.spend_id for one in ledger.purchases(since_ns=NOON_NS + NS_PER_S + 1000)] == [numbers[3]]
    assert ledger.purchases(since_ns=2**63 - 1) == []


def test_a_purchase_may_be_of_a_job(place: Place, ledger: Ledger) -> None:
    """One that is written down already comes back with it; none comes back as none."""
    jobs = place.jobs()
    jobs.save(Job(job_id="backfill-1", kind="backfill", request={}, state="running"))
    jobs.close()
    ledger.reserve(attrs.evolve(ES, job_id="backfill-1"), UNLIMITED, now_ns=NOON_NS)
    ledger.reserve(ES, UNLIMITED, now_ns=NOON_NS)
    assert [one.job_id for one in ledger.purchases()] == ["backfill-1", ""]


def test_closing_twice_is_fine(ledger: Ledger, reopen: Open) -> None:
    """A ledger that was let go is let go again without complaint, and keeps what was written."""
    ledger.reserve(ES, UNLIMITED, now_ns=NOON_NS)
    ledger.close()
    ledger.close()
    assert len(reopen().purchases()) == 1
