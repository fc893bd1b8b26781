"""Compiles the staged tree, as far as programs load it, and finds the little that help loads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from onefile.closure import BuildError

_IMPORT_ALL: Final = """
import ast, importlib, os, pathlib, sys, warnings
warnings.simplefilter("ignore")
site, heard, *packages = sys.argv[1:]
sys.path.insert(0, site)
names = set()
for source in sorted(path for package in packages for path in pathlib.Path(site, package).rglob("*.py")):
    names.add(".".join(source.relative_to(site).with_suffix("").parts).removesuffix(".__init__"))
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
for name in sorted(names):
    if not name.endswith("__main__"):
        try:
            importlib.import_module(name)
        except BaseException:
            pass
"""
_FIND_LIGHT: Final = """
import contextlib, io, sys
site, heard = sys.argv[1:]
sys.path.insert(0, site)
from console.__main__ import COMMANDS, main
for words in [[], *([name] for name in COMMANDS)]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([*words, "--help"])
"""
_TELL: Final = """
files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
with open(heard, "w") as told:
    told.write("\\n".join(sorted(name for name in files if name.startswith(site + "/") and name.endswith(".py"))))
    told.flush()
    import os
    os._exit(0)
"""


def compile_tree(site: Path, packages: Sequence[str]) -> None:
    """Compile our `packages` and every module that is loaded when all that these import anywhere is imported.

    Others have thousands of modules that nobody loads; whoever does compiles one then. What is compiled here is never
    compared with its source again: nobody edits the tree, and a first start has no time to look.
    """
    own = (path for package in packages for path in (site / package).rglob("*.py"))
    wanted = sorted({*own, *_loaded_by(_IMPORT_ALL, site, *packages)})
    command = [sys.executable, "-I", "-S", "-m", "compileall", "-q", "-q", "-j", "0", "-s", str(site), "-i", "-"]
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [*command, "--invalidation-mode", "unchecked-hash"],
        input="\n".join(map(str, wanted)),
        text=True,
        check=False,
    )
    if ended.returncode:
        raise BuildError("not every module can be compiled", hint="see what this Python says of: import console")


def find_light(site: Path) -> list[Path]:
    """The compiled modules that print help, of ours and of others: those which a process that does so has loaded."""
    return [
        path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        for path in _loaded_by(_FIND_LIGHT, site)
    ]


def _loaded_by(script: str, site: Path, *arguments: str) -> list[Path]:
    # The modules in the tree that a process has loaded which does what the script says.
    heard = site.with_name("loaded.txt")
    ended = subprocess.run(  # noqa: S603 - our own interpreter, our own script
        [sys.executable, "-I", "-S", "-B", "-c", script + _TELL, str(site), str(heard), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode or not heard.exists():
        said = ended.stderr.strip().splitlines()
        raise BuildError("what was staged does not run", hint=said[-1] if said else "")
    found = heard.read_text(encoding="utf-8").splitlines()
    heard.unlink()
    return [Path(name) for name in found]
