"""What is wrong with `[paper_trading]`, as far as that can be told without an engine and without running a user's
file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from console.paper.desks import OWN_INSTANCE, desk_place
from console.paper.lanes import execution_of, parse_mode
from console.paper.plan import paper_plan
from core.bars.spec import BarType
from core.errors import ConfigurationError, ConsoleError
from core.model.instruments import Product
from strategies.catalogue import STRATEGIES, is_file, make_strategy

if TYPE_CHECKING:
    from config.paths import Paths
    from config.schema import Settings
    from console.paper.plan import PaperPlan


def check_paper_trading(settings: Settings, paths: Paths) -> None:
    """Raise `ConfigurationError` for accounts and for settings of paper trading that cannot be used."""
    section = settings.paper_trading
    if not (section.enabled or section.strategy or section.strategies or section.run):
        # The command line may name one; what stands beside it in the settings must make sense with any.
        section = attrs.evolve(section, strategy=next(iter(STRATEGIES)))
    try:
        desk_place(paths.state, section.desk)
        plan = paper_plan(
            attrs.evolve(settings, paper_trading=section), paths, instance=OWN_INSTANCE + section.desk, isolated=True
        )
        execution_of(plan, "", Product.SPOT)
        _check_runs(plan)
    except ConfigurationError:
        raise
    except ConsoleError as error:
        hint = f"paper_trading: {error.hint}" if error.hint else "paper_trading"
        raise ConfigurationError(error.operation, error.subject, hint=hint) from error


def _check_runs(plan: PaperPlan) -> None:
    for run in plan.runs:
        if not is_file(run.strategy):
            make_strategy(run.strategy, run.parameters, plan.approved)
        if run.bars:
            BarType.parse(run.bars)
        if run.mode:
            parse_mode(run.mode)
        if run.account:
            plan.accounts.by_id(run.account)
