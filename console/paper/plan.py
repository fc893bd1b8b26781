"""What a desk of paper traders is asked to do: plain values, made of the settings, fit for a child process."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from console.account_settings import paper_accounts_of
from console.backtests.options import parse_sizing
from core.errors import ConfigurationError, UsageError
from core.model.symbology import parse_symbol
from core.sim.accounts import AccountsConfig
from core.sim.guarding import LIQUIDATION
from core.sim.trader import Sizing
from strategies.approval import LIST_NAME
from strategies.catalogue import ALIASES, STRATEGIES, is_file

if TYPE_CHECKING:
    from cattrs import Converter

    from config.paths import Paths
    from config.schema import PaperTradingSettings, Settings

ALL: Final = "all"
"""Names every strategy and every account; nothing else may be called so."""
PLACEHOLDER: Final = "USD"
"""The currency of a default account that has none, until it is known what it needs."""
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST: Final = 64


@attrs.frozen(kw_only=True)
class RunPlan:
    """One strategy: what it is called here, its name or the path of its file, and what it trades (all symbols of the
    plan when `symbols` is empty). Of `bars`, `mode` and `account` "" is what the strategy asks for."""

    label: str
    strategy: str
    parameters: dict[str, str] = attrs.field(factory=dict)
    symbols: tuple[str, ...] = ()
    bars: str = ""
    mode: str = ""
    account: str = ""


@attrs.frozen(kw_only=True)
class PaperPlan:
    """Everything a desk needs to know.

    `symbols` are canonical; empty is all that is streamed. Without a `currency` the default account has the one in
    which its strategies' symbols are settled. `maker` to `jitter` are texts as on the command line, "" for what is
    usual. `approved` is the list of the strategy files that may run. `isolated` says that the desk has a process of
    its own, in whose main thread it runs, so that strategies can be stopped that take longer than `call_s`.
    """

    desk: str
    instance: str
    state_directory: Path
    approved: Path
    runs: tuple[RunPlan, ...]
    accounts: AccountsConfig
    currency: str = ""
    symbols: tuple[str, ...] = ()
    sizing: Sizing = attrs.Factory(Sizing)
    maker: str = ""
    taker: str = ""
    slippage: str = ""
    latency: str = ""
    jitter: str = ""
    touch: bool = False
    context_ticks: int = 1000
    call_s: float = 1.0
    memory_mb: int = 1024
    keep_days: int = 30
    database_url: str = attrs.field(default="", repr=False)
    isolated: bool = False

    @property
    def has_files(self) -> bool:
        """Whether a strategy comes from a user's file."""
        return any(is_file(run.strategy) for run in self.runs)


def paper_plan(settings: Settings, paths: Paths, *, instance: str, isolated: bool) -> PaperPlan:
    """The plan that the settings describe.

    Raises:
        UsageError: no strategy is named, or a size makes no sense.
        ConfigurationError: accounts or names make no sense.
    """
    section = settings.paper_trading
    return PaperPlan(
        desk=section.desk,
        instance=instance,
        state_directory=paths.state,
        approved=paths.configuration / LIST_NAME,
        runs=run_plans(section),
        accounts=paper_accounts_of(settings, currency=PLACEHOLDER),
        currency=settings.accounts.default.currency,
        symbols=parse_all(section.symbols),
        sizing=_sizing(section),
        maker=section.maker,
        taker=section.taker,
        slippage=section.slippage,
        latency=section.latency,
        jitter=section.jitter,
        touch=section.touch,
        context_ticks=section.context_ticks,
        call_s=section.call_s,
        memory_mb=section.memory_mb,
        keep_days=section.keep_days,
        database_url=settings.database.url,
        isolated=isolated,
    )


def run_plans(section: PaperTradingSettings) -> tuple[RunPlan, ...]:
    """The strategies that `[paper_trading]` names, those in a table of their own last.

    Raises:
        UsageError: there is none; the hint says which there are.
        ConfigurationError: two have one label, or one has a label that means something else.
    """
    names = [section.strategy] if section.strategy else []
    runs = [RunPlan(label=label_of(name), strategy=spelled(name)) for name in (*names, *section.strategies)]
    runs += [
        RunPlan(
            label=one.label or label_of(one.strategy),
            strategy=spelled(one.strategy),
            parameters=dict(one.params),
            symbols=parse_all(one.symbols),
            bars=one.bars,
            mode=one.mode,
            account=one.account,
        )
        for one in section.run
    ]
    if not runs:
        hint = f"one of {', '.join(STRATEGIES)}, or an approved file: --strategy or [paper_trading] name it"
        raise UsageError("no strategy to trade with", "none is named", hint=hint)
    seen: set[str] = set()
    for run in runs:
        if run.label in seen:
            raise ConfigurationError("two strategies of one name", run.label, hint="give one of them another label")
        if run.label in {ALL, LIQUIDATION}:
            raise ConfigurationError("bad label", run.label, hint="it means something else; give another")
        seen.add(run.label)
    return tuple(attrs.evolve(run, bars=run.bars or section.bars, mode=run.mode or section.mode) for run in runs)


def label_of(strategy: str) -> str:
    """What a strategy is called that was given no label: its name, or that of its file without what follows the
    dot."""
    if not is_file(strategy):
        return ALIASES.get(strategy, strategy)
    return _ODD.sub("_", Path(strategy).stem).lstrip("_.-")[:_LONGEST] or "strategy"


def spelled(strategy: str) -> str:
    """A strategy as it is written down: by its own name, or by the whole path of its file."""
    return str(Path(strategy).expanduser().absolute()) if is_file(strategy) else ALIASES.get(strategy, strategy)


def parse_all(symbols: Iterable[str]) -> tuple[str, ...]:
    """Symbols in upper case, each once. Raises `UsageError` when one is none."""
    return tuple(dict.fromkeys(parse_symbol(one) for one in symbols))


def _sizing(section: PaperTradingSettings) -> Sizing:
    given = argparse.Namespace(quantity=section.quantity or None, fraction=section.size, shorts=section.shorts)
    return parse_sizing(given)


def encode_paper_plan(plan: PaperPlan) -> bytes:
    """A plan as one line of JSON, for `decode_paper_plan` in another process."""
    return json.dumps(_converter().unstructure(plan)).encode() + b"\n"


def decode_paper_plan(line: bytes) -> PaperPlan:
    """The plan that `encode_paper_plan` wrote."""
    return _converter().structure(json.loads(line), PaperPlan)


def _converter() -> Converter:
    from cattrs.preconf.json import make_converter

    converter = make_converter()
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(Path, lambda value, _kind: Path(value))
    return converter
