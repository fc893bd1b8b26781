"""Starts the program that is in the single file: light commands from within it, all others from the unpacked tree."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module

TYPE_CHECKING = False  # as typing has it, which takes longer to load than help may
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import NoReturn

CONFIGURATION = 3
UNPACK = "--unpack"


def start(arguments: Sequence[str]) -> int:
    """Do what the command line says; the exit code, where this process is not replaced by another."""
    from onefile import built

    if arguments == ["--version"]:
        sys.stdout.write(f"ringside {built.VERSION}\n")
        return 0
    if {"-h", "--help"} & set(arguments):
        answer_help(sys.argv[0], arguments)
    return start_unpacked(sys.argv[0], arguments)


def start_unpacked(name: str, arguments: Sequence[str]) -> int:
    """Become the program that the file `name` holds, unpacked before if need be; the exit code where that fails."""
    from pathlib import Path

    from onefile import built
    from onefile.bootstrap.cache import Cache, CacheError, Content, cache_root

    def unpack(directory: Path) -> None:
        from onefile.bootstrap.unpack import unpack

        unpack(Path(name).absolute(), directory)

    content = Content(built.KEY, unpacked_bytes=built.UNPACKED_BYTES, glibc=built.GLIBC)
    try:
        cache = Cache(cache_root(os.environ), content, unpack)
        tree = cache.hold()
        python = link_interpreter(tree)
    except CacheError as error:
        say(f"ringside: {error}", f"  {error.hint}")
        return CONFIGURATION
    except KeyboardInterrupt:
        return 130
    if arguments != [UNPACK]:
        run_from(python, arguments)
    sys.stdout.write(f"{tree}\n")
    return 0


def say(*lines: str) -> None:
    """Talk to the operator, if there is one."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write("".join(f"{line}\n" for line in lines if line.strip()))
        sys.stderr.flush()


def answer_help(archive: str, arguments: Sequence[str]) -> None:
    """Print help and end, by the modules that the file keeps for that. Returns when the line asks for something else,
    or for what takes more of them."""
    sys.path.insert(0, f"{archive}/light")
    try:
        import_module("console.__main__").build_parser().parse_args(arguments)
    except ImportError:
        pass
    finally:
        sys.path.pop(0)


def link_interpreter(tree: Path) -> Path:
    """The running interpreter, under a name from which it finds what is in the tree and nothing else.

    Processes that are started by `sys.executable` find the same. It is a virtual environment in all but size; every
    interpreter that uses the tree gets one.

    Raises:
        CacheError: it cannot be written.
    """
    import hashlib
    from pathlib import Path

    from onefile.bootstrap.cache import CacheError

    base = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    place = tree / f"python-{hashlib.sha256(os.fsencode(base)).hexdigest()[:8]}"
    python = place / "bin" / "python"
    if python.exists() and (place / "pyvenv.cfg").exists():
        return python
    part = tree / f".{place.name}-{os.getpid()}"
    try:
        (part / "bin").mkdir(parents=True, mode=0o700)
        (part / "bin" / "python").symlink_to(base)
        library = part / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        library.mkdir(parents=True)
        (library / "site-packages").symlink_to("../../../site")
        (part / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        with contextlib.suppress(FileExistsError, OSError):
            part.rename(place)
    except OSError as error:
        raise CacheError(f"cannot prepare {place}: {error.strerror}", hint="mend it, or remove its folder") from error
    if not python.exists():
        raise CacheError(f"{place} is damaged", hint="remove it and start again")
    return python


def run_from(python: Path, arguments: Sequence[str]) -> NoReturn:
    """Become the program. The current directory must not come before its packages: `config` and `core` are names that
    others use too. So the variable for that is set, for its children as well."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH"}}
    environment["PYTHONSAFEPATH"] = "1"
    os.execve(python, [str(python), "-m", "console", *arguments], environment)  # noqa: S606 - our own interpreter
