"""Trades on paper: follows the rings of its symbols for one desk, session after session, until it is cancelled."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from console.backtests.guard import time_limit
from console.paper import audit
from console.paper.acts import checked_act
from console.paper.desks import desk_folder
from console.paper.document import MOST_ACTS, accounts_document
from console.paper.following import Follower
from console.paper.lanes import Loaded, load_runs, make_bench, named_symbols, wanted_keys
from console.paper.past import Cursor
from console.paper.plan import ALL, PaperPlan
from console.paper.rings import PaperRing
from console.paper.session import LATEST, begin, find, prune, sessions
from console.paper.strategy_logs import StrategyLogs
from console.paper.trading import Hear, Trading, deaf
from core.clock import monotonic_ns, wall_ns
from core.errors import ConsoleError, TransientError, single_error
from core.model.instruments import Instrument
from core.sim.market import Limit
from core.sim.paper import Desk
from core.sim.positions import Key
from core.sim.state import DeskState, SessionHead
from core.telemetry.delays import RING_TO_STRATEGY, delay_row
from core.telemetry.histograms import WindowedHistogram

if TYPE_CHECKING:
    from console.backtests.guard import LastResort
    from core.store.cache.tiered import TieredCache

CLOCK_S: Final = 0.25
LOOK_S: Final = 0.25
SYNC_S: Final = 1.0
SETTLED_S: Final = 2.0
"""A session begins when no symbol has come for so long."""
PATIENCE_S: Final = 15.0
"""For symbols that are named and not streamed a session waits no longer than this."""

CALL_HINT: Final = "allow more with [paper_trading] call_s, or mend the strategy"

logger = logging.getLogger("ringside.paper")


@attrs.frozen(kw_only=True)
class Before:
    """The session before: its name, "" for none, what it left, and how far the rings were read."""

    name: str = ""
    state: DeskState | None = None
    cursors: dict[Key, Cursor] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


def _unheard(_head: SessionHead, _notes: tuple[str, ...]) -> None:
    pass


class PaperHost:
    """Trades as `plan` says on what the `rings` bring, which is asked for the rings that there are now, often and
    without blocking. `hear` is told of every line, `began` of each session and what is to be said of it. `cache` has
    the trades that came before. `last_resort` is told of a strategy that cannot be stopped.
    """

    def __init__(
        self,
        plan: PaperPlan,
        rings: Callable[[], Iterable[PaperRing]],
        *,
        hear: Hear = deaf,
        began: Callable[[SessionHead, tuple[str, ...]], None] = _unheard,
        cache: TieredCache | None = None,
        last_resort: LastResort | None = None,
    ) -> None:
        self.plan = plan
        self._list_rings, self._hear, self._began, self._cache = rings, hear, began, cache
        self._last_resort = last_resort
        self._folder = Path()
        self._found: dict[Key, PaperRing] = {}
        self._trading: Trading | None = None
        self._notes: tuple[str, ...] = ()
        self._logs = StrategyLogs(plan)
        self._delay = WindowedHistogram(monotonic_ns)
        self._problem = ""
        self._missing: tuple[str, ...] = ()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Trade until cancelled, then close the session; orders and positions stay for the next one. Reports that it
        has started with the first session, which is when the rings are there.

        Raises:
            ConsoleError: the desk is taken, what is configured makes no sense, or the disk refuses.
        """
        plan = self.plan
        with single_error(), desk_folder(plan.state_directory, plan.desk, instance=plan.instance) as self._folder:
            runs = load_runs(plan)
            with self._logs.opened():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._look)
                    before = await trio.to_thread.run_sync(last_session, self._folder)
                    if before.name:
                        nursery.start_soon(self._logs.complete, self._folder / before.name)
                    while True:
                        await self._trade(runs, await self._instruments(runs), before, task_status.started)
                        task_status = trio.TASK_STATUS_IGNORED
                        before = await trio.to_thread.run_sync(last_session, self._folder)

    async def _look(self) -> None:
        while True:
            self._found = {ring.instrument.key: ring for ring in self._list_rings()}
            await trio.sleep(LOOK_S)

    def _wanted(self, runs: Sequence[Loaded]) -> set[Key]:
        return wanted_keys(self.plan, runs, [ring.instrument for ring in self._found.values()])

    async def _instruments(self, runs: Sequence[Loaded]) -> list[Instrument]:
        # What is streamed, when all that is named is there or nothing more has come for a while.
        named = named_symbols(self.plan, runs)
        began = changed = trio.current_time()
        before: set[Key] = set()
        while True:
            if (keys := self._wanted(runs)) != before:
                before, changed = keys, trio.current_time()
            self._missing = tuple(sorted(named - {symbol for _, symbol in keys}))
            patience_s = PATIENCE_S - (trio.current_time() - began) if self._missing else 0.0
            settled = bool(named) or trio.current_time() - changed >= SETTLED_S
            if keys and settled and patience_s <= 0:
                return [ring.instrument for ring in self._found.values()]
            await trio.sleep(LOOK_S / 5)

    async def _until_more(self, runs: Sequence[Loaded], trading: Trading) -> None:
        # A symbol that comes later is traded, too, from a new session on.
        traded = {lane.spec.key for _, lane in trading.desk.lanes() if lane.spec.strategy}
        before, changed = traded, trio.current_time()
        while True:
            if (keys := self._wanted(runs) | traded) != before:
                before, changed = keys, trio.current_time()
            if keys != traded and trio.current_time() - changed >= SETTLED_S:
                logger.info("%s came: a new session begins", ", ".join(symbol for _, symbol in keys - traded))
                return
            await trio.sleep(CLOCK_S)

    async def _trade(
        self, runs: Sequence[Loaded], instruments: list[Instrument], before: Before, started: Callable[[], None]
    ) -> None:
        with self._session(runs, instruments, before) as trading:
            async with trio.open_nursery() as nursery:
                started()
                for key, feed in trading.feeds.items():
                    follower = Follower(
                        trading,
                        feed,
                        partial(self._ring_of, key),
                        known=before.cursors.get(key),
                        context=self.plan.context_ticks,
                        cache=self._cache,
                    )
                    nursery.start_soon(follower.run)
                nursery.start_soon(self._clock, trading)
                nursery.start_soon(self._sync, trading)
                nursery.start_soon(self._logs.run)
                await self._until_more(runs, trading)
                nursery.cancel_scope.cancel()

    def _ring_of(self, key: Key) -> PaperRing | None:
        return self._found.get(key)

    @contextmanager
    def _session(self, runs: Sequence[Loaded], instruments: list[Instrument], before: Before) -> Iterator[Trading]:
        plan = self.plan
        bench = make_bench(plan, runs, instruments, before.state)
        desk = Desk(bench.state, bench.strategies, limit=self._limit())
        head = SessionHead(session="", desk=plan.desk, created_ns=wall_ns(), state=bench.state, resumed=before.name)
        session = begin(self._folder, head)
        numbered = self._logs.begin(session.folder, session.head)
        self._trading = trading = Trading(desk, session, hear=self._hear, numbered=numbered, delay=self._delay)
        self._notes = (*before.notes, *bench.notes)
        del bench  # a strategy that failed is to be let go with all that it holds
        for note in self._notes:
            logger.info("%s", note)
        self._began(session.head, self._notes)
        try:
            yield trading
        finally:
            trading.close()

    def _limit(self) -> Limit:
        # What comes with Ringside comes to an end; a signal handler a question would cost it a tenth of its time.
        if self.plan.isolated and self.plan.has_files:
            return partial(time_limit, self.plan.call_s, self._last_resort, hint=CALL_HINT)
        return nullcontext

    async def _clock(self, trading: Trading) -> None:
        while True:
            for feed in trading.feeds.values():
                trading.clock(feed, monotonic_ns())
            await trio.sleep(CLOCK_S)

    async def _sync(self, trading: Trading) -> None:
        if self.plan.keep_days:
            await self._in_thread(prune, self._folder, self.plan.keep_days, wall_ns())
        while True:
            await trio.sleep(SYNC_S)
            await self._in_thread(trading.session.sync)

    async def _in_thread(self, work: Callable[..., object], *arguments: object) -> None:
        try:
            await trio.to_thread.run_sync(work, *arguments)
        except ConsoleError as error:
            if str(error) != self._problem:
                logger.error("%s", error)
            self._problem = str(error)
        else:
            self._problem = ""

    def act(self, act: str, target: str, *, by: str, confirm: str = "") -> dict[str, Any]:
        """Do what an operator wants, `by` whom and over what; it stands in the audit log before it is done, also when
        it is refused.

        Raises:
            NotFoundError: nothing is called `target`; the hint says what there is.
            UsageError: there is no such act, or it is not confirmed.
            ConsoleError: it cannot be done now, or not be written down.
        """
        now_ns = wall_ns()
        told = partial(audit.AuditEntry, wall_ns=now_ns, act=act, target=target, by=by)
        try:
            trading = self._begun()
            line = checked_act(
                act,
                target,
                desk=self.plan.desk,
                labels=dict.fromkeys(lane.spec.label for _, lane in trading.desk.lanes()),
                accounts=trading.desk.ledger.accounts,
                by=by,
                confirm=confirm,
                wall_ns=now_ns,
            )
        except ConsoleError as error:
            if self._folder != Path():
                audit.append(self._folder, told(outcome=f"refused: {error}"))
            raise
        audit.append(self._folder, told(outcome="done"))
        lines = trading.act(line)
        return {"act": act, "target": target or ALL, "desk": self.plan.desk, "lines": len(lines) - 1}

    def _begun(self) -> Trading:
        if self._trading is None:
            waits = f"it waits for {', '.join(self._missing) or 'something that is streamed'}"
            raise TransientError("paper trading has not begun", self.plan.desk, hint=waits)
        return self._trading

    @property
    def lag(self) -> int:
        """How many trades wait in the rings."""
        return 0 if self._trading is None else sum(feed.lag() for feed in self._trading.feeds.values())

    def document(self) -> dict[str, Any]:
        """The desk as it stands (`console.paper.document`). Raises `ConsoleError` before the first session."""
        trading, mono_ns = self._begun(), monotonic_ns()
        problems = [one for one in (self._problem, trading.session.problem) if one]
        return accounts_document(
            trading.session.head,
            trading.desk.state(),
            trading.tally,
            running=True,
            host={"instance": self.plan.instance, "pid": os.getpid()},
            symbols={key: feed.seen(mono_ns) for key, feed in trading.feeds.items()},
            acts=audit.newest(self._folder, MOST_ACTS),
            notes=(*problems, *self._notes),
            latency=trading.latency.summary(),
            now_ns=wall_ns(),
        )

    def report(self) -> dict[str, Any]:
        """What an engine's status says of it; before the first session little more than what it waits for."""
        trading, log = self._trading, self._logs.state
        found: dict[str, Any] = {
            "desk": self.plan.desk,
            "session": "" if trading is None else trading.session.head.session,
            "state": "waiting" if trading is None else "trading",
            "waits_for": list(self._missing),
            "problem": self._problem or ("" if trading is None else trading.session.problem),
            "log": None if log is None else attrs.asdict(log),
            "delays": {RING_TO_STRATEGY: delay_row(self._delay)},
        }
        return found if trading is None else found | trading.figures(monotonic_ns())


def last_session(folder: Path) -> Before:
    """What the session before left; nothing when there was none. Blocks; raises `ConsoleError`."""
    if not sessions(folder):
        return Before()
    past = find(folder, LATEST)
    return Before(name=past.head.session, state=past.state(), cursors=past.cursors(), notes=past.notes)
