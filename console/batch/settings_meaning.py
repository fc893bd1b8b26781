"""What is wrong with settings of the right kind: providers, symbols, accounts, strategies, routes and budgets that
cannot be. Each is looked at by itself, so that one mistake hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import attrs

from config.places import Place, read_place, written
from config.problems import Problem, did_you_mean
from core.errors import ConfigurationError, ConsoleError

if TYPE_CHECKING:
    from config.load import Examined
    from config.schema import PaperTradingSettings, Settings

Checker = Callable[["Settings"], list[Problem]]
"""Says what is wrong, with the place of each problem; raises nothing that an operator may read."""


def problems_of(found: Examined) -> list[Problem]:
    """All that is wrong with settings: what was found when they were read, and what makes no sense, where it stands.

    What follows from a mistake that is told already is not told again.
    """
    told = list(found.problems)
    places = {problem.place for problem in told if problem.place}
    seen: set[tuple[Place, str]] = set()
    for checker in CHECKERS:
        for problem in checker(found.settings):
            here = problem.place
            if (here, problem.message) in seen or any(_touch(here, place) for place in places):
                continue
            seen.add((here, problem.message))
            told.append(attrs.evolve(problem, origin=found.origin_of(here)))
    names = list(dict.fromkeys(problem.origin.name for problem in told))
    return sorted(told, key=lambda one: (names.index(one.origin.name), one.origin.line or 0))


def _touch(place: Place, other: Place) -> bool:
    # Whether the first is the second, or part of it.
    return place[: len(other)] == other


def check_meaning(settings: Settings) -> None:
    """Raise `ConfigurationError` for settings of the right kind that make no sense: the first problem there is."""
    for checker in CHECKERS:
        for problem in checker(settings):
            message, _, hint = str(problem).partition(" (")
            raise ConfigurationError("settings make no sense", message, hint=hint.removesuffix(")"))


class _Collector:
    # Notes what trials raise, as problems.
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        try:
            yield
        except ConsoleError as error:
            key = written(place)
            bare = ".".join(map(str, place))  # as those say it who know no quotes
            if error.operation == key or error.subject.startswith(f"{bare}: "):
                message = error.subject.removeprefix(f"{bare}: ")
            else:
                message = f"{error.operation}: {error.subject}"
            self.note(place, message, error.hint.removeprefix(key).removeprefix(": "))
        except ValueError as error:  # of settings that are put together for the trial
            self.note(place, str(error))

    def note(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(Problem(place=place, message=message, hint=hint))


def engine_problems(settings: Settings) -> list[Problem]:
    """Providers that are none, and symbols and a dataset that cannot be."""
    from console.plan import LIVE_PROVIDERS, SIMULATED, expand_providers
    from core.model.symbology import parse_symbol
    from providers.databento.names import check_dataset

    collector = _Collector()
    for name in settings.engine.provider.split(","):
        try:
            expand_providers(name, simulated=False)
        except ConsoleError as error:
            hint = did_you_mean(name.strip(), (*LIVE_PROVIDERS, SIMULATED)) or error.hint
            collector.note(("engine", "provider"), f"{error.operation}: {error.subject}", hint)
    for number, symbol in enumerate(settings.engine.symbols):
        with collector.at("engine", "symbols", number):
            parse_symbol(symbol)
    if settings.engine.dataset:
        with collector.at("engine", "dataset"):
            check_dataset(settings.engine.dataset)
    return collector.problems


def account_problems(settings: Settings) -> list[Problem]:
    """Accounts that cannot be, have one name, or claim one strategy."""
    from config.schema import AccountsSettings, DefaultAccountSettings
    from console.account_settings import accounts_of

    collector = _Collector()
    accounts = settings.accounts
    with collector.at("accounts", "default"):
        accounts_of(AccountsSettings(default=accounts.default), currency="USD")
    for number, one in enumerate(accounts.simulation):
        with collector.at("accounts", "simulation", number):
            # Beside a default one whose name is not its own.
            beside = DefaultAccountSettings(id="OTHER" if one.id != "OTHER" else "ANOTHER")
            accounts_of(AccountsSettings(beside, (one,)), currency="USD")
    ids: dict[str, str] = {}
    owners: dict[str, str] = {}
    for place, one in _accounts(settings):
        if one.id in ids:
            collector.note(
                (*place, "id"), f"two accounts of one name: {one.id[:64]!a}", f"the other is {ids[one.id]}"
            )
        ids.setdefault(one.id, written(place))
        for at, name in enumerate(one.strategies):
            if owners.setdefault(name, one.id) != one.id:
                message = f"a strategy on two accounts: {name[:64]!a} on {owners[name][:64]!a} and {one.id[:64]!a}"
                collector.note((*place, "strategies", at), message)
    return [_narrowed(problem, settings) for problem in collector.problems]


def _accounts(settings: Settings) -> Iterator[tuple[Place, Any]]:
    yield ("accounts", "default"), settings.accounts.default
    for number, one in enumerate(settings.accounts.simulation):
        yield ("accounts", "simulation", number), one


_ACCOUNT_WORDS: Final[Mapping[str, str]] = {
    "bad account": "id",
    "bad currency": "currency",
    "bad balance": "initial_balance",
    "bad leverage": "leverage",
    "bad strategy name": "strategies",
    "bad limit: largest position": "max_position",
    "bad limit: loss of a day": "max_day_loss",
    "bad limit": "max_orders_per_minute",
}


def _narrowed(problem: Problem, settings: Settings) -> Problem:
    # Which key of an account its problem is about.
    for words, key in _ACCOUNT_WORDS.items():
        if problem.message.startswith(words):
            return attrs.evolve(problem, place=(*problem.place, key))
    if problem.message.startswith("bad amount"):
        one = dict(_accounts(settings)).get(problem.place)
        for key in ("max_position", "max_day_loss", "initial_balance"):
            if one is not None and _is_no_amount(getattr(one, key)):
                return attrs.evolve(problem, place=(*problem.place, key))
    return problem


def _is_no_amount(text: str) -> bool:
    from core.sim.accounts import parse_amount

    try:
        parse_amount(text or "0")
    except ConsoleError:
        return True
    return False


_TOGETHER: Final = frozenset({"enabled", "strategy", "strategies", "run", "initial_capital", "symbols"})


def paper_problems(settings: Settings) -> list[Problem]:
    """Strategies, symbols and ways to trade on paper that cannot be: each alone, and all together when nothing is
    wrong with one of them."""
    from config.paths import find_paths
    from config.schema import AccountsSettings, PaperTradingSettings, Settings
    from console.paper.checking import check_paper_trading

    paths, section, usual = find_paths(), settings.paper_trading, PaperTradingSettings()
    collector = _Collector()

    def check(accounts: AccountsSettings, trial: PaperTradingSettings) -> None:
        check_paper_trading(Settings(accounts=accounts, paper_trading=trial), paths)

    for place, changes in _trials(section, usual):
        with collector.at("paper_trading", *place):
            check(AccountsSettings(), attrs.evolve(usual, **changes))
    if section.initial_capital:
        with collector.at("paper_trading", "initial_capital"):
            check(AccountsSettings(), attrs.evolve(usual, initial_capital=section.initial_capital))
    if not collector.problems and not account_problems(settings):
        for number, run in enumerate(section.run):
            with collector.at("paper_trading", "run", number):
                check(settings.accounts, attrs.evolve(usual, run=(run,)))
        with collector.at("paper_trading"):
            check(settings.accounts, section)
    said = [attrs.evolve(one, hint=one.hint.removeprefix("paper_trading: ")) for one in collector.problems]
    narrow = {problem.message for problem in said if len(problem.place) > 1}
    return [one for one in said if len(one.place) > 1 or one.message not in narrow]


def _trials(section: PaperTradingSettings, usual: PaperTradingSettings) -> Iterator[tuple[Place, dict[str, Any]]]:
    # One setting at a time, beside defaults.
    for field in attrs.fields(type(section)):
        value = getattr(section, field.name)
        if field.name not in _TOGETHER and value != getattr(usual, field.name):
            yield (field.name,), {field.name: value}
    if section.strategy:
        yield ("strategy",), {"strategy": section.strategy}
    for number, name in enumerate(section.strategies):
        yield ("strategies", number), {"strategies": (name,)}
    for number, symbol in enumerate(section.symbols):
        yield ("symbols", number), {"symbols": (symbol,)}
    for number, run in enumerate(section.run):
        yield ("run", number), {"run": (attrs.evolve(run, account=""),)}


def routing_problems(settings: Settings) -> list[Problem]:
    """Rules of routing that cannot be: each alone."""
    from config.schema import DatasetSettings, RoutingSettings, Settings
    from console.routing import load_rules

    routing = settings.routing
    collector = _Collector()
    with collector.at("routing", "default_provider"):
        load_rules(Settings(routing=RoutingSettings(default_provider=routing.default_provider)))
    for key, dataset in routing.databento.datasets.items():
        with collector.at("routing", "databento", "datasets", key):
            load_rules(Settings(routing=RoutingSettings(databento=DatasetSettings({key: dataset}))))
    for section in ("asset_types", "symbols"):
        for key, route in getattr(routing, section).items():
            with collector.at("routing", section, key):
                alone: dict[str, Any] = {section: {key: route}}
                load_rules(Settings(routing=RoutingSettings(**alone)))
    if not collector.problems:
        with collector.at("routing"):
            load_rules(settings)
    return collector.problems


def budget_problems(settings: Settings) -> list[Problem]:
    """Amounts that may be spent and are none."""
    from config.schema import BackfillSettings
    from console.spending import budget_of, max_cost_of

    collector = _Collector()
    for field in attrs.fields(BackfillSettings):
        one = attrs.evolve(BackfillSettings(), **{field.name: getattr(settings.backfill, field.name)})
        with collector.at("backfill", field.name):
            budget_of(one)
            max_cost_of(one, None)
    return collector.problems


def log_problems(settings: Settings) -> list[Problem]:
    """Levels of parts of the log that are none."""
    from config.operations import LEVELS

    collector = _Collector()
    for part, level in settings.log.levels.items():
        if level not in LEVELS:
            message = f"must be one of {', '.join(LEVELS)}, not {level[:40]!a}"
            collector.note(("log", "levels", part), message, did_you_mean(level, LEVELS))
    return collector.problems


def watching_problems(settings: Settings) -> list[Problem]:
    """Rules and handlers of alerts that cannot be."""
    from console.alerting.plan import alerting_problems

    alerting = settings.alerting
    tables: list[Place] = [("alerting", "rules", name) for name in alerting.rules]
    tables += [("alerting", "handlers", name) for name in alerting.handlers]
    return told(alerting_problems(alerting), tables)


def told(lines: Sequence[str], tables: Sequence[Place] = ()) -> list[Problem]:
    """The problems of lines like `alerting.rules.mine.metric: no such series`, as checkers of other parts give them.
    They may name some `tables` without the quotes that TOML needs."""
    by_name = {".".join(map(str, place)): place for place in tables}
    problems = []
    for line in lines:
        named = max((name for name in by_name if line.startswith((f"{name}.", f"{name}:"))), key=len, default="")
        place, rest = by_name.get(named, ()), line[len(named) :]
        try:
            inner, after = read_place(rest.removeprefix("."))
        except ValueError:
            inner, after = (), rest
        if after.startswith(":"):
            place, rest = (*place, *inner), after.removeprefix(":").strip()
        message, mark, hint = rest.partition(" (did you mean ")
        problems.append(Problem(place=place, message=message, hint=f"did you mean {hint[:-1]}" if mark else ""))
    return problems


CHECKERS: Final[tuple[Checker, ...]] = (
    engine_problems,
    account_problems,
    paper_problems,
    routing_problems,
    budget_problems,
    log_problems,
    watching_problems,
)
"""All that look at the meaning of settings. One of another part joins them here; `told` reads lines."""
