"""`instances`: the engines that run on this machine, what they serve and how they are."""

from __future__ import annotations

import argparse
from typing import Any

from console.batch import output

NAME = "instances"
HELP = "the engines that run on this machine"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row an engine; none is no error."""
    from core.errors import ConfigurationError
    from ringbuf.layout import RingError

    try:
        rows = instance_rows()
    except RingError as error:
        raise ConfigurationError("service registry cannot be read", str(error)) from error
    if not rows and arguments.format == "table":
        output.talk("no engine is running", "  start one with serve")
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
    return 0


def instance_rows() -> list[dict[str, Any]]:
    """One row an announced engine. Raises `RingError` when the registry cannot be read."""
    from core.clock import iso_ns
    from ringbuf import discovery

    return [
        {
            "instance_id": state.instance,
            "health": state.health,
            "providers": ",".join(state.providers),
            "venues": ",".join(state.venues),
            "symbols": ",".join(f"{name}@{venue}" for venue, names in state.symbols.items() for name in names),
            "symbols_complete": state.symbols_complete,
            "channel_prefix": state.prefix,
            "pid": state.pid,
            "started": iso_ns(state.started_ns),
            "started_ns": state.started_ns,
            "heartbeat_ns": state.heartbeat_ns,
            "heartbeat_age_s": round(state.heartbeat_age_s, 1),
            "control": state.control,
        }
        for state in discovery.instances()
    ]
