"""How a command logs: the option for it, and the plan that the settings and the environment make of it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from core.errors import ConfigurationError

if TYPE_CHECKING:
    from config.schema import Settings
    from console.plan import LogPlan


def add_log_option(parser: argparse._ActionsContainer) -> None:
    """The option of every command that logs."""
    parser.add_argument(
        "--log-format", choices=("text", "json"), help="how the log is written, on stderr and in its file"
    )


def log_plan(settings: Settings, arguments: argparse.Namespace) -> LogPlan:
    """What is logged, and how. Raises `ConfigurationError` for a level that does not exist."""
    from config.operations import LEVELS
    from console.plan import LogPlan
    from console.secrets import secrets_of_environment, secrets_of_settings

    section = settings.log
    secrets = (*secrets_of_settings(settings), *secrets_of_environment(os.environ))
    for part, level in section.levels.items():
        if level not in LEVELS:
            raise ConfigurationError("no such level", f"log.levels.{part}", hint=f"one of {', '.join(LEVELS)}")
    return LogPlan(
        level=section.level,
        levels=tuple(sorted(section.levels.items())),
        format=getattr(arguments, "log_format", None) or section.format,
        max_bytes=section.max_bytes,
        files=section.files,
        secrets=tuple(dict.fromkeys(secrets)),
    )
