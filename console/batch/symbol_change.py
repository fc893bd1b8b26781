"""`symbol add` and `symbol remove`: in the engines that run, at once, and in the settings file.

Engines go first: what one of them does not know is not written down.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from config.paths import find_paths
from config.schema import Settings
from console.batch import output
from console.batch.running_feeds import RunningEngine, RunningFeed, ask_announced, running_engines
from console.batch.settings_meaning import check_meaning
from console.batch.settings_options import settings_from
from console.batch.symbol_settings import note_settings, save_added, save_removed
from console.batch.venue_lists import Source, VenueLists
from console.plan import expand_providers
from core.errors import ConsoleError, NotFoundError, UsageError
from core.model.symbology import parse_symbol, parse_symbols

PARTLY_DONE: Final = 9
ENGINE: Final = "engine"
SETTINGS: Final = "settings"
ADDED: Final = "added"
REMOVED: Final = "removed"
UNCHANGED: Final = "unchanged"
FAILED: Final = "failed"


@attrs.frozen(kw_only=True)
class Step:
    """What was done with one symbol in one place: an engine's feed, or the settings. `error` when it FAILED.

    `name` is what was asked for, `symbol` what it stands for there.
    """

    name: str
    symbol: str
    place: str
    result: str
    instance: str | None = None
    source: tuple[str, bool] | None = None
    venue: str | None = None
    error: ConsoleError | None = None

    def row(self) -> dict[str, Any]:
        """As it is printed."""
        return {
            "symbol": self.symbol,
            "place": self.place,
            "instance": self.instance,
            "venue": self.venue,
            "result": self.result,
            "problem": "" if self.error is None else str(self.error),
        }


def run(arguments: argparse.Namespace) -> int:
    """Print one row a symbol and place; 9 when something failed and something was changed.

    Raises:
        ConsoleError: nothing was changed, and this is the first reason.
    """
    names = _wanted(arguments)
    loaded = settings_from(arguments)
    settings = loaded.settings
    if not arguments.no_save:
        check_meaning(settings)
    wanted = expand_providers(arguments.provider or settings.engine.provider, simulated=arguments.simulated)
    engines = [] if arguments.only_save else _addressed(arguments, wanted)
    if arguments.action == "add":
        steps = _add(names, engines, wanted, arguments, settings)
    else:
        steps = _remove(names, engines, arguments, settings)
    if not arguments.no_save:
        note_settings(loaded)
    return _conclude(steps, form=arguments.format)


def _wanted(arguments: argparse.Namespace) -> tuple[str, ...]:
    parts = [*arguments.names, *arguments.symbols]
    if not parts:
        raise UsageError("no symbol", arguments.action, hint="name some, like BTCUSD,ETHUSD")
    if arguments.only_save and arguments.instance:
        raise UsageError("an engine to be left alone", arguments.instance, hint="give --instance or --only-save")
    return parse_symbols(",".join(parts))


def _addressed(arguments: argparse.Namespace, wanted: Sequence[Source]) -> list[RunningEngine]:
    # The engines that are meant, each with those of its feeds that are meant alone.
    providers = {provider for provider, _ in wanted} if arguments.provider else None
    engines = []
    for engine in running_engines(arguments.instance):
        if arguments.instance:  # its name says what is meant, be it simulated or recorded
            feeds = [feed for feed in engine.feeds if providers is None or feed.provider in providers]
        else:
            feeds = [feed for feed in engine.feeds if feed.is_meant(wanted, dataset=arguments.dataset or "")]
        silent = engine.problem is not None
        if feeds or (silent and (arguments.instance or any(map(engine.may_stream, wanted)))):
            engines.append(attrs.evolve(engine, feeds=tuple(feeds)))
    if engines:
        return engines
    sought = ", ".join(provider for provider, _ in wanted)
    if arguments.instance or arguments.no_save:
        raise NotFoundError("no such feed runs", f"{sought} {arguments.instance}".strip(), hint="see instances")
    output.talk(f"no engine streams {sought} now: the settings alone are changed")
    return []


def _add(
    names: Sequence[str],
    engines: Iterable[RunningEngine],
    wanted: Sequence[Source],
    arguments: argparse.Namespace,
    settings: Settings,
) -> list[Step]:
    steps = _in_engines(names, engines, adding=True)
    if arguments.no_save:
        return steps
    # The settings have one list of symbols, for all the providers that they name.
    sources = dict.fromkeys((*wanted, *expand_providers(settings.engine.provider, simulated=False)))
    venues = VenueLists(settings, names, dataset=arguments.dataset)
    accepted: dict[str, str] = {}
    for name in names:
        answered = {step.source: step for step in steps if step.name == name and _is_verdict(step)}
        if any(step.error is not None for step in answered.values()):
            continue
        try:
            listed = venues.symbol_of(name, [source for source in sources if source not in answered])
        except NotFoundError as error:
            steps.append(Step(name=name, symbol=name, place=SETTINGS, result=FAILED, error=error))
            continue
        accepted[name] = next((step.symbol for step in answered.values()), listed or name)
    return steps + (_saved(accepted, arguments, adding=True) if accepted else [])


def _is_verdict(step: Step) -> bool:
    # Whether the step tells if the venue has the symbol.
    return step.error is None or isinstance(step.error, NotFoundError)


def _remove(
    names: Sequence[str], engines: Sequence[RunningEngine], arguments: argparse.Namespace, settings: Settings
) -> list[Step]:
    steps = _in_engines(names, engines, adding=False)
    if not arguments.no_save:
        # Typed as the venue writes it, a symbol may stand in the settings under its own name.
        meant = {step.name: step.symbol for step in steps if step.error is None}
        saved = _saved({name: meant.get(name, name) for name in names}, arguments, adding=False)
        steps += [step for step in saved if step.result is not UNCHANGED]
    found = {step.name for step in steps}
    streamed = [symbol for engine in engines for feed in engine.feeds for symbol in feed.streamed]
    for name in names:
        if name not in found:
            near = difflib.get_close_matches(name, [*streamed, *settings.engine.symbols], n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "symbol list shows what there is"
            error = NotFoundError("no such symbol", name, hint=hint)
            steps.append(Step(name=name, symbol=name, place="", result=FAILED, error=error))
    return steps


def _in_engines(names: Sequence[str], engines: Iterable[RunningEngine], *, adding: bool) -> list[Step]:
    steps = []
    for engine in engines:
        for name in names:
            if engine.problem is not None:
                steps.append(
                    Step(name=name, symbol=name, place=ENGINE, result=FAILED, instance=engine.instance,
                         error=engine.problem)
                )  # fmt: skip
            steps += [_in_feed(name, feed, adding=adding) for feed in engine.feeds if adding or feed.find(name)]
    return steps


def _in_feed(name: str, feed: RunningFeed, *, adding: bool) -> Step:
    step = Step(
        name=name,
        symbol=feed.find(name) or name,
        place=ENGINE,
        result=UNCHANGED,
        instance=feed.instance,
        source=feed.source,
        venue=feed.venue,
    )
    if adding and feed.find(name):
        return step
    try:
        answer = ask_announced(
            feed.instance, "subscribe" if adding else "unsubscribe", symbol=step.symbol, venue=feed.venue
        )
        step = attrs.evolve(step, symbol=parse_symbol(str(answer.get("symbol", step.symbol))))
    except NotFoundError as error:
        # Somebody else may have removed it since the engine was asked what it streams.
        return attrs.evolve(step, result=FAILED, error=error) if adding else step
    except ConsoleError as error:
        return attrs.evolve(step, result=FAILED, error=error)
    if adding:
        return attrs.evolve(step, result=ADDED if answer.get("created", True) else UNCHANGED)
    return attrs.evolve(step, result=REMOVED)


def _saved(symbols: dict[str, str], arguments: argparse.Namespace, *, adding: bool) -> list[Step]:
    path = arguments.config or find_paths().configuration_file
    steps = [Step(name=name, symbol=symbol, place=SETTINGS, result=UNCHANGED) for name, symbol in symbols.items()]
    try:
        changed = save_added(path, symbols.values()) if adding else save_removed(path, {*symbols, *symbols.values()})
    except ConsoleError as error:
        return [attrs.evolve(step, result=FAILED, error=error) for step in steps]
    done = ADDED if adding else REMOVED
    return [attrs.evolve(step, result=done) if {step.name, step.symbol} & changed else step for step in steps]


def _conclude(steps: Sequence[Step], *, form: str) -> int:
    failed = [step for step in steps if step.error is not None]
    if failed and not any(step.result in {ADDED, REMOVED} for step in steps):
        for step in failed[1:]:
            output.talk(f"{step.instance or step.place}: {step.error}")
        assert failed[0].error is not None
        raise failed[0].error
    output.write_rows([step.row() for step in steps], form=form, envelope={"schema_version": 1})
    return PARTLY_DONE if failed else 0
