"""Who does what a command does, for what is kept of it."""

from __future__ import annotations

import getpass
import os


def operator_name() -> str:
    """The user of the machine, and that they did it on the command line."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"user {os.getuid()}"
    return f"{name} on the command line"
