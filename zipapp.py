"""Builds the single file: `python zipapp.py` writes `dist/ringside.pyz`. `--help` says what it can be told.

The standard library has a module of this name, and for every program that is started from this folder this file hides
it. So whoever imports `zipapp` gets the standard one.
"""

from __future__ import annotations

import sys

# ruff: noqa: A005, UP036 - the name is what the command is called; an older Python must read this to be told


def _build() -> int:
    if sys.version_info < (3, 11):
        sys.exit(f"zipapp.py: needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    from onefile.build import main

    return main()


def _stand_aside() -> None:
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path
    from sysconfig import get_path

    spec = spec_from_file_location(__name__, Path(get_path("stdlib")) / "zipapp.py")
    assert spec is not None
    assert spec.loader is not None
    standard = sys.modules[__name__] = module_from_spec(spec)
    spec.loader.exec_module(standard)


if __name__ == "__main__":
    sys.exit(_build())
elif __name__ == "zipapp":
    _stand_aside()
