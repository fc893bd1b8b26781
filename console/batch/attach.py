"""`attach`: the console on an engine that already runs. Leaving it stops nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.errors import NotFoundError, UnreachableError, UsageError

NAME = "attach"
HELP = "the console on an engine that is already running"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("instance", nargs="?", default="", help="its name (default: the only one that runs)")


def run(arguments: argparse.Namespace) -> int:
    """Refuse: without a screen there is nothing to attach."""
    raise UsageError("no terminal", f"attach {arguments.instance}".strip(), hint="over SSH use ssh -t")


def find_socket(instance: str) -> Path:
    """The control socket of the engine called `instance`, or of the only one that runs.

    Raises:
        ConsoleError: there is none, there are several, or it does not answer.
    """
    from ringbuf import control, discovery, layout

    try:
        names = [instance] if instance else [state.instance for state in discovery.instances() if state.alive]
        alive = [name for name in names if _answers(control.socket_path(name))]
    except layout.RingError as error:
        raise UsageError("no engine can be found", str(error)) from error
    if len(alive) == 1:
        return control.socket_path(alive[0])
    if instance and control.socket_path(instance).exists():
        raise UnreachableError("the engine does not answer", instance, hint="it may be stopped, busy or dead")
    if instance:
        raise NotFoundError("no such engine", instance, hint="start one with serve --instance-id NAME")
    if not alive:
        raise NotFoundError("no engine is running", "nothing to attach to", hint="start one with serve")
    raise UsageError("which engine", ", ".join(alive), hint="name one of them")


def _answers(path: Path) -> bool:
    from ringbuf.control import ControlClient, ControlError

    client = ControlClient(path)
    try:
        client.request("ping")
    except ControlError:
        return False
    finally:
        client.close()
    return True
