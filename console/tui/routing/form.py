"""The form of the Routing screen: who is to serve what, and the command line that fetches it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import ClassVar, Final

import attrs

from console.batch.backfill_options import check_exchange
from console.batch.db_options import SCHEMAS
from console.batch.route import ASSET_TYPES
from console.batch.times import instant_of
from console.tui.forms.field import YES_OR_NO, Field
from console.tui.routing.directory import Directory
from core.clock import wall_ns
from core.errors import ConsoleError, UsageError
from core.model.symbology import parse_symbol
from providers.databento.names import check_dataset
from providers.routing.assets import AssetType, find_exchange
from providers.routing.router import Decision, RouteRequest
from providers.routing.rules import Purpose

REALTIME: Final[Purpose] = "realtime"
HISTORICAL: Final[Purpose] = "historical"
FIRST: Final = {"start": "-30d"}
"""What stands in a new form."""
_NOT_PASSED: Final = ("purpose",)


@attrs.define
class RoutingForm:
    """What an operator has filled in: `values` by the names of fields, in the place of one of them what is being
    `typed` into it. `passed` are further arguments of the command line, handed on as they are."""

    title: ClassVar[str] = "Request"
    directory: Directory | None = None
    values: dict[str, str] = attrs.Factory(lambda: dict(FIRST))
    passed: tuple[str, ...] = ()
    typed: tuple[str, str] | None = None
    clock: Callable[[], int] = wall_ns

    def value(self, name: str) -> str:
        """What stands in a field, without space around it."""
        text = self.typed[1] if self.typed is not None and self.typed[0] == name else self.values.get(name, "")
        return text.strip()

    def fields(self) -> list[Field]:
        """The fields, in their order."""
        decision = self.decision(HISTORICAL)
        found = decision.asset if decision is not None else None
        told = f"automatic: {found.asset_type}" if found is not None else "automatic"
        exchanges = () if self.directory is None else sorted({one.name for one in self.directory.exchanges.values()})
        providers = () if self.directory is None else tuple(self.directory.providers)
        return [
            Field(name="symbols", shown="symbol", group="What", default="which?", check=parse_symbol,
                  help="as it is traded: ESH5, AAPL, BTCUSD"),
            Field(name="exchange", group="What", default="told by its form", choices=("", *exchanges),
                  help="where it is traded: CME, NASDAQ, KRAKEN, or a dataset's name"),
            Field(name="asset_type", group="What", default=told, choices=("", *ASSET_TYPES), free=False,
                  help="what it is, where its form and its exchange do not tell"),
            Field(name="purpose", group="What", default=HISTORICAL, choices=("", REALTIME), free=False,
                  help="of which data: the past, or what is streamed"),
            Field(name="provider", group="Override", default="by the rules", choices=("", *providers),
                  help="this provider or none, whatever the rules say"),
            Field(name="dataset", group="Override", default="by the rules", check=check_dataset,
                  help="this dataset or none, as GLBX.MDP3"),
            Field(name="start", group="Range", default="when?", check=self._instant,
                  help="first instant, UTC: 2026-11-22, 2026-11-22 07:15, or -30d"),
            Field(name="end", group="Range", default="now", check=self._instant,
                  help="first instant that is no longer wanted"),
            Field(name="schema", group="Range", default=SCHEMAS[0], choices=("", *SCHEMAS[1:]), free=False,
                  help="what kind of record"),
            Field(name="simulated", group="Range", default="no", choices=YES_OR_NO, free=False,
                  help="practise on the simulated venue: no money is spent"),
        ]  # fmt: skip

    def _instant(self, text: str) -> int:
        return instant_of(text, now_ns=self.clock())

    # -- what is asked of the router ---------------------------------------------------------------------------------

    def request(self, purpose: Purpose) -> RouteRequest:
        """What the form asks of the router, as the command would: a dataset may be named as an exchange."""
        named = argparse.Namespace(
            **{name: self.value(name) for name in ("exchange", "provider", "dataset")},
            simulated=self.value("simulated") == YES_OR_NO[1],
        )
        check_exchange(named)
        asset_type = self.value("asset_type")
        return RouteRequest(
            symbol=self.value("symbols"),
            exchange=named.exchange,
            asset_type=AssetType(asset_type) if asset_type in ASSET_TYPES else None,
            provider=named.provider,
            dataset=named.dataset,
            purpose=purpose,
        )

    def decision(self, purpose: Purpose) -> Decision | None:
        """What the router says; None while there is no symbol, or no router."""
        if self.directory is None or not self.value("symbols"):
            return None
        return self.directory.decide(self.request(purpose))

    # -- what is wrong -----------------------------------------------------------------------------------------------

    def problem(self, name: str) -> ConsoleError | None:
        """What is wrong with the value of a field: by itself, in the range, or in the eyes of the router."""
        field = next((one for one in self.fields() if one.name == name), None)
        if field is None:
            return None
        value = self.value(name)
        if not value and name in ("symbols", "start"):
            return UsageError(f"no {field.label}", "name one" if name == "symbols" else "since when", hint=field.help)
        problem: ConsoleError | None = field.problem(value) if value else None
        if problem is None and name in ("start", "end"):
            problem = self._range_problem(name)
        if problem is None and (unrouted := self._unrouted()) is not None and unrouted[0] == name:
            problem = unrouted[1]
        return problem

    def concern(self, name: str) -> ConsoleError | None:
        """The same."""
        return self.problem(name)

    def remark(self, name: str) -> str:
        """Nothing."""
        return ""

    def _range_problem(self, name: str) -> UsageError | None:
        # What is wrong with both together is said of the end, if there is one.
        from console.backfill.plan import Wish
        from core.model.records import Schema

        if name != ("end" if self.value("end") else "start"):
            return None
        now_ns = self.clock()
        try:
            start_ns = self._instant(self.value("start"))
            end_ns = self._instant(self.value("end")) if self.value("end") else now_ns
            if start_ns < now_ns:
                Wish(symbols=(), schema=Schema.TRADES, start_ns=start_ns, end_ns=end_ns)
                return None
        except UsageError as error:
            return error
        return UsageError("the range lies in the future", self.value("start"), hint="nothing is there yet")

    def _unrouted(self) -> tuple[str, ConsoleError] | None:
        # The field that would have to be another for there to be a route, and why; the field is empty where none is.
        purpose = REALTIME if self.value("purpose") == REALTIME else HISTORICAL
        decision, directory = self.decision(purpose), self.directory
        if decision is None or decision.problem is None or directory is None:
            return None
        request = decision.request
        return self._culprit(decision, directory, request), decision.problem

    def _culprit(self, decision: Decision, directory: Directory, request: RouteRequest) -> str:
        if decision.asset is None:
            return self._misunderstood(directory, request)
        if request.provider:
            return "provider"
        if request.dataset:
            return "dataset"
        return "" if request.exchange else "exchange"

    def _misunderstood(self, directory: Directory, request: RouteRequest) -> str:
        # The first part of it that can be none, by itself; else it is what kind of thing it is that nobody can tell.
        checks = {"symbols": parse_symbol, "dataset": check_dataset}
        for name, check in checks.items():
            try:
                if self.value(name):
                    check(self.value(name))
            except ConsoleError:
                return name
        if request.provider and request.provider not in directory.providers:
            return "provider"
        try:
            if request.exchange:
                find_exchange(request.exchange, directory.exchanges)
        except ConsoleError:
            return "exchange"
        return "asset_type"

    def first_problem(self) -> tuple[str, ConsoleError] | None:
        """The first field with a problem, and the problem; the field is empty where it is none's."""
        for field in self.fields():
            problem = self.problem(field.name)
            if problem is not None:
                return field.name, problem
        return self._unrouted()

    # -- filling it in -----------------------------------------------------------------------------------------------

    def put(self, name: str, text: str) -> None:
        """Fill in a field."""
        self.values[name] = text.strip()

    def turn(self, name: str, step: int) -> bool:
        """Go to the next or previous choice of a field; False when it has none."""
        field = next((one for one in self.fields() if one.name == name), None)
        if field is None or not field.choices:
            return False
        self.values[name] = field.turned(self.value(name), step)
        return True

    def arguments(self) -> list[str]:
        """The command line without the program: `fetch --symbols ESH5 …`."""
        line = ["fetch"]
        for field in self.fields():
            value = self.value(field.name)
            if not value or field.name in _NOT_PASSED:
                continue
            if field.choices == YES_OR_NO:
                line.append(field.option)
            elif value.startswith("-"):
                line.append(f"{field.option}={value}")  # it would be taken for an option
            else:
                line += [field.option, value]
        return [*line, *self.passed]
