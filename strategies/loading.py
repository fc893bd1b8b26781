"""Strategies from files of the user's. What runs is what was hashed: the file is read once."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from core.errors import PermanentError, UsageError
from core.strategy import Strategy
from strategies.approval import read_approvals, real_path, require_approved
from strategies.fingerprint import read_source

CHOICE: Final = "STRATEGY"
"""The name by which a file with several strategies says which one is meant."""
_LONGEST_REASON: Final = 300
_LONGEST_NAME: Final = 200


def load_file(path: Path, approved: Path) -> tuple[type[Strategy], str]:
    """The strategy class of a file and the file's SHA-256, if the list at `approved` has that hash.

    The code of the file runs; modules that it imports are not part of the hash.

    Raises:
        NotFoundError: there is no such file.
        RefusedError: it is not approved as it is; the hint is how to approve it.
        PermanentError: it cannot be read or run, or does not say which strategy is meant; the text names the line.
        ConfigurationError: the list cannot be used.
    """
    source = read_source(path)
    sha256 = hashlib.sha256(source).hexdigest()
    require_approved(read_approvals(approved), path, sha256)
    place = str(real_path(path))
    module = ModuleType(f"user_strategy_{sha256[:16]}")
    module.__file__ = place
    sys.modules[module.__name__] = module  # where dataclasses look their own module up
    with _blamed(place):
        code = compile(source, place, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - running the user's file is what this is for
        found = _strategies(vars(module), module.__name__)
    return _chosen(found, vars(module).get(CHOICE), place), sha256


def _strategies(space: Mapping[str, object], module: str) -> dict[str, type[Strategy]]:
    # Those that the file itself derives.
    return {
        name: value
        for name, value in space.items()
        if isinstance(value, type) and issubclass(value, Strategy) and value.__module__ == module
    }


def _chosen(found: Mapping[str, type[Strategy]], choice: object, place: str) -> type[Strategy]:
    if choice is not None:
        kind = found.get(choice) if isinstance(choice, str) else choice
        if isinstance(kind, type) and issubclass(kind, Strategy):
            return kind
        raise PermanentError("which strategy", f"{place}: {CHOICE} names none", hint=_names(found))
    kinds = {id(kind): kind for kind in found.values()}  # a class may have two names
    if len(kinds) == 1:
        return kinds.popitem()[1]
    hint = f'{CHOICE} = "NAME", one of {_names(found)}' if found else "derive one from core.strategy.Strategy"
    counted = f"{len(kinds)} strategies" if found else "no strategy"
    raise PermanentError("which strategy", f"{place}: {counted} in it", hint=hint)


def _names(own: Mapping[str, type[Strategy]]) -> str:
    return ", ".join(sorted(own))


def make(kind: type[Strategy], params: Mapping[str, str], path: Path | None) -> Strategy:
    """A strategy of that class, with these parameters; `path` is its file, None for one of ours.

    Raises:
        UsageError: a parameter is not known or out of range.
        PermanentError: its own code failed or it has no name; the text names file and line.
    """
    place = str(path or kind.__module__)
    with _blamed(place):
        strategy = kind()
    with _blamed(place, but=UsageError):
        strategy.initialize(params)
    with _blamed(place):
        name: object = strategy.name
    if not (isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()):
        hint = f"of at most {_LONGEST_NAME} characters"
        raise PermanentError("bad strategy", f"{place}: `name` must be a line of text", hint=hint)
    return strategy


@contextlib.contextmanager
def _blamed(place: str, *, but: type[BaseException] = KeyboardInterrupt) -> Iterator[None]:
    # Whatever the user's code raises is the file's fault and said in one line.
    try:
        yield
    except (KeyboardInterrupt, but):
        raise
    except BaseException as error:
        line = line_in(place, error)
        where = f"{place}:{line}" if line else place
        raise PermanentError("the strategy cannot be loaded", f"{where}: {_reason(error)}") from error


def line_in(file: str, error: BaseException) -> int:
    """The line of a file that was running last when `error` was raised; 0 when none was."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 0
    line, place = 0, error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_filename == file:
            line = place.tb_lineno
        place = place.tb_next
    return line


def _reason(error: BaseException) -> str:
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException:  # noqa: BLE001 - an exception of theirs whose text raises
        text = ""
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return "".join(ch if ch.isprintable() else " " for ch in told[:_LONGEST_REASON])
