"""Threads that talk with the engine, so that the screen never waits for it: one asks for its status about twice a
second, one for its store, one for its accounts, one for its alerts and one for its holdings while somebody looks; one
carries out what an operator asked for, which may take as long as a venue takes to answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from console.paper.desks import OWN_INSTANCE
from console.tui.accounts.document import Heard
from console.tui.accounts.parsing import parse_desk
from console.tui.alerts.document import Alerts
from console.tui.alerts.document import Heard as HeardAlerts
from console.tui.alerts.parsing import parse_alerts
from console.tui.answers import Raw
from console.tui.commands import DESK_ACTS
from console.tui.coverage.asking import Questions
from console.tui.coverage.document import Holdings
from console.tui.logfeed import LogFeed
from console.tui.services import Services, read_services
from console.tui.status import EngineStatus, parse_status
from console.tui.stored import JOBS, parse_store
from console.tui.storewatch import StoreReport
from console.tui.text import clean
from core.clock import monotonic_ns
from ringbuf.control import ControlClient, ControlError

Answer = TypeVar("Answer")

POLL_S: Final = 0.5
STORE_POLL_S: Final = 1.0
ACCOUNTS_POLL_S: Final = 1.0
ALERTS_POLL_S: Final = 1.0
HOLDINGS_POLL_S: Final = 0.2
"""Nothing is asked so often: it is how long a cursor rests before its day is asked for."""
STORE_S: Final = 10.0
REQUEST_S: Final = 15.0
_NOT_OFFERED: Final = "usage"
"""How an engine refuses that knows of no paper trading, or of no alerts."""
_NOT_WANTED: Final = "refused"
"""How one refuses that was told not to watch."""
_EVENTS: Final = 200
"""The lines of history that are asked for."""
_ABOUT_ALERTS: Final = frozenset({"acknowledge", "silence", "unsilence"})


@attrs.frozen(kw_only=True)
class Report:
    """What the last question brought: `number` grows with each; `status` is None when there was no answer, for the
    `reason` given. `services` are those in the registry, none unless they are `watched`."""

    number: int = 0
    status: EngineStatus | None = None
    reason: str = "connecting"
    services: Services = attrs.field(factory=Services)


@attrs.frozen
class Request:
    """One change that an operator asks for: an operation of the control channel and its arguments. `told` makes the
    sentence of the engine's answer; without it the engine has agreed."""

    operation: str
    arguments: tuple[tuple[str, Any], ...] = ()
    told: Callable[[Raw], str] | None = None

    def __str__(self) -> str:
        said = (str(one) for name, one in self.arguments if isinstance(one, str | int) and one and name != "confirm")
        return " ".join((self.operation, *said))


class _Watched:
    # A question that is asked again and again while somebody looks, in a thread of its own.
    def __init__(
        self, name: str, poll_s: float, look: Callable[[ControlClient], None], client: ControlClient
    ) -> None:
        self._poll_s, self._look, self._client = poll_s, look, client
        self._watching, self._stopped, self._wanted = False, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def watch(self, watching: bool) -> None:
        if watching and not self._watching:
            self._wanted.set()
        self._watching = watching

    def glance(self) -> None:
        self._wanted.set()

    def stop(self) -> None:
        self._stopped.set()
        self._wanted.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            wanted = self._wanted.wait(self._poll_s if self._watching else None)
            self._wanted.clear()
            if not self._stopped.is_set() and (wanted or self._watching):
                self._look(self._client)
        self._client.close()


class EngineLink:
    """Keeps the last `report` of the engine whose control socket is at `path`, and what it last said of its store, of
    its accounts, of its alerts and of its `holdings`. An engine that does not trade on paper has no accounts: then
    the process is asked that trades on `desk` beside it, if one does. `start` it, and `stop` it."""

    def __init__(self, path: Path, *, desk: str = "", poll_s: float = POLL_S) -> None:
        self.report, self.stored, self.accounts = Report(), StoreReport(), Heard()
        self.holdings, self.alerts = Holdings(), HeardAlerts()
        self.log = LogFeed(path)
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._path, self._poll_s = path, poll_s
        self._desk_path = path.parent / f"{OWN_INSTANCE}{desk}.sock" if desk else None
        self._watching = False
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._stopped, self._wanted = threading.Event(), threading.Event()
        patient = (ControlClient(path, timeout_s=STORE_S) for _ in range(4))  # all may have to look at a disk
        self._store = _Watched("engine-store", STORE_POLL_S, self._look_at_store, next(patient))
        self._accounts = _Watched("engine-accounts", ACCOUNTS_POLL_S, self._look_at_accounts, next(patient))
        self._alerts = _Watched("engine-alerts", ALERTS_POLL_S, self._look_at_alerts, next(patient))
        self._questions = Questions(_reason)
        self._holdings = _Watched("engine-holdings", HOLDINGS_POLL_S, self._look_at_holdings, next(patient))
        self._threads = [
            threading.Thread(target=self._run, name="engine-link", daemon=True),
            threading.Thread(target=self._carry_out, name="engine-requests", daemon=True),
            self._store.thread,
            self._accounts.thread,
            self._alerts.thread,
            self._holdings.thread,
        ]

    def start(self) -> None:
        """Begin asking."""
        self.log.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more. Returns at once or within half a second; a question under way is left to itself."""
        self._stopped.set()
        self._wanted.set()
        self._store.stop()
        self._accounts.stop()
        self._alerts.stop()
        self._holdings.stop()
        self.log.stop()
        self._requests.put(None)
        if self._threads[0].is_alive():
            self._threads[0].join(0.5)

    def watch_services(self, watching: bool) -> None:
        """Look into the service registry with every question, or no longer."""
        if watching and not self._watching:
            self._wanted.set()
        self._watching = watching

    def watch_store(self, watching: bool) -> None:
        """Ask for the store about once a second, or no longer."""
        self._store.watch(watching)

    def watch_accounts(self, watching: bool) -> None:
        """Ask for the accounts about once a second, or no longer."""
        self._accounts.watch(watching)

    def watch_alerts(self, watching: bool) -> None:
        """Ask for the alerts about once a second, or no longer."""
        self._alerts.watch(watching)

    def glance_at_alerts(self) -> None:
        """Ask for the alerts once."""
        self._alerts.glance()

    def watch_holdings(self, watching: bool) -> None:
        """Ask for what the wish of `holdings` names, when it is due, or no longer."""
        self._holdings.watch(watching)

    def glance_at_accounts(self) -> None:
        """Ask for the accounts once."""
        self._accounts.glance()

    @property
    def may_trade_beside(self) -> bool:
        """Whether there is a process, dead or alive, that would answer for the desk in the engine's place."""
        return self._desk_path is not None and self._desk_path.exists()

    def ask(self, operation: str, **arguments: str) -> None:
        """Have the engine do something; a sentence about how it went appears in `answers`."""
        self.send(Request(operation, tuple(arguments.items())))

    def send(self, request: Request) -> None:
        """The same of a request."""
        self._requests.put(request)

    def _run(self) -> None:
        client = ControlClient(self._path)
        while not self._stopped.is_set():
            number = self.report.number + 1
            services = read_services(self._path) if self._watching else Services()
            try:
                status = _answer(client, Request("status"), parse_status)
                self.report = Report(number=number, status=status, reason="", services=services)
            except ControlError as error:
                self.report = Report(number=number, reason=_reason(error), services=services)
            self._wanted.wait(self._poll_s)
            self._wanted.clear()
        client.close()

    def _look_at_store(self, client: ControlClient) -> None:
        number = self.stored.number + 1
        try:
            answer = _answer(client, Request("store"), parse_store)
            self.stored = StoreReport(number=number, at_ns=monotonic_ns(), answer=answer)
        except ControlError as error:
            self.stored = StoreReport(number=number, at_ns=monotonic_ns(), reason=_reason(error))

    def _look_at_accounts(self, client: ControlClient) -> None:
        before = self.accounts
        number = before.number + 1
        try:
            desk = _answer(client, Request("accounts"), parse_desk)
            heard = Heard(number=number, desk=desk, refused=desk is None)
        except ControlError as error:
            refused = error.category == _NOT_OFFERED
            desk = None if refused or before.beside else before.desk
            heard = Heard(number=number, desk=desk, reason=_reason(error), refused=refused)
        # Those beside an engine that was killed trade on what its rings still hold, and wait for the next one.
        if heard.refused or (heard.reason and before.beside):
            heard = self._heard_beside(heard)
        self.accounts = heard

    def _look_at_alerts(self, client: ControlClient) -> None:
        before, number = self.alerts, self.alerts.number + 1
        try:
            found = _answer(client, Request("alerts", (("history", _EVENTS),)), parse_alerts)
            self.alerts = HeardAlerts(number=number, alerts=found)
        except ControlError as error:
            if error.category == _NOT_WANTED:
                self.alerts = HeardAlerts(number=number, alerts=Alerts(enabled=False), reason=_reason(error))
                return
            refused = error.category == _NOT_OFFERED
            kept = None if refused else before.alerts
            self.alerts = HeardAlerts(number=number, alerts=kept, reason=_reason(error), refused=refused)

    def _look_at_holdings(self, client: ControlClient) -> None:
        def ask(operation: str, arguments: Mapping[str, str | int], read: Callable[[Raw], Answer]) -> Answer:
            return _answer(client, Request(operation, tuple(arguments.items())), read)

        self.holdings = self._questions.look(ask, self.holdings, now_ns=monotonic_ns())

    def _heard_beside(self, heard: Heard) -> Heard:
        # What the process says that trades beside the engine; `heard` where there is none.
        if self._desk_path is None or not self.may_trade_beside:
            return heard
        client = ControlClient(self._desk_path, timeout_s=STORE_S)
        try:
            desk = _answer(client, Request("accounts"), parse_desk)
        except ControlError as error:
            before = self.accounts
            kept = Heard(number=heard.number, desk=before.desk, reason=_reason(error), beside=True)
            return kept if before.beside else heard
        finally:
            client.close()
        return heard if desk is None else Heard(number=heard.number, desk=desk, beside=True)

    def _carry_out(self) -> None:
        while (request := self._requests.get()) is not None:
            beside = request.operation in DESK_ACTS and self.accounts.beside
            path = self._desk_path if beside and self._desk_path is not None else self._path
            client = ControlClient(path, timeout_s=REQUEST_S)
            try:
                said = _answer(client, request, request.told or dict)
            except ControlError as error:
                self.answers.put(f"{request}: {_refusal(error)}")
            else:
                agreed = f"{request}: {'the desk' if beside else 'the engine'} agreed"
                self.answers.put(said if isinstance(said, str) else agreed)
                if request.operation in _ABOUT_ALERTS:
                    self._alerts.glance()
                if request.operation in JOBS:
                    self._store.glance()  # one look, whether or not anybody watches, to learn of the job
                if request.operation in DESK_ACTS:
                    self._accounts.glance()
            finally:
                client.close()
            self._wanted.set()


def _answer(client: ControlClient, request: Request, read: Callable[[Raw], Answer]) -> Answer:
    # What stands at the other end of the socket may answer anything; the thread that asks must outlive it.
    try:
        return read(client.request(request.operation, **dict(request.arguments)))
    except ControlError:
        raise
    except Exception as error:
        client.close()
        raise ControlError(f"its answer cannot be read: {type(error).__name__}: {error}") from error


def _refusal(error: ControlError) -> str:
    how = "no answer" if error.category == "unreachable" else f"refused ({clean(error.category, limit=20)})"
    hint = f"; {clean(error.hint)}" if error.hint else ""
    return f"{how}: {clean(str(error))}{hint}"


def _reason(error: ControlError) -> str:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        return "it is not running"
    if isinstance(cause, ConnectionRefusedError):
        return "it has gone"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return clean(str(error), limit=80)
