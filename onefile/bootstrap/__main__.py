"""The first lines of the single file: leave for the right Python when this is another.

Any Python 3 must be able to read this file, to say what it lacks: nothing newer than 3.6 may stand in it.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

from onefile import built

ASKED = "RINGSIDE_PYTHON_TRIED"


def find_python(name: str, path: str) -> str:
    """The executable of that name in a search path; empty when there is none."""
    for directory in path.split(":"):
        found = f"{directory}/{name}"
        if directory and os.access(found, os.X_OK):
            return found
    return ""


def too_old(least: str) -> bool:
    """Whether this Python is older than that version."""
    return sys.version_info[:3] < tuple(int(part) for part in least.split("."))


def leave_for_the_right_python() -> None:
    """Start again with the Python this file is for, if there is one; otherwise say what is needed, and end."""
    found = find_python("python" + built.PYTHON, os.environ.get("PATH", ""))
    if found and not os.environ.get(ASKED):
        os.environ[ASKED] = found
        os.execv(found, [found] + sys.argv)  # noqa: RUF005, S606 - readable by an old Python; our own arguments
    mine = f"{sys.implementation.name} {sys.version.split()[0]} ({EXTENSION_SUFFIXES[0]})"
    sys.exit(
        f"ringside: this file is for CPython {built.PYTHON}, {built.LEAST_PYTHON} or newer, on {built.MACHINE};"
        f" this is {mine}\n"
        f"  install Python {built.LEAST_PYTHON} or a later {built.PYTHON}, or build the file anew with this one:"
        " python3 zipapp.py"
    )


if __name__ == "__main__":
    if built.SUFFIX not in EXTENSION_SUFFIXES or too_old(built.LEAST_PYTHON):
        leave_for_the_right_python()
    os.environ.pop(ASKED, None)
    from onefile.bootstrap.start import start

    sys.exit(start(sys.argv[1:]))
