"""The list of symbols in the settings file: more of them, or fewer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from config.problems import SettingsError
from config.save import change_setting
from config.schema import EngineSettings
from console.batch import output
from core.errors import ConfigurationError, RefusedError

if TYPE_CHECKING:
    from config.load import LoadedSettings

PLACE: Final = ("engine", "symbols")


def save_added(path: Path, symbols: Collection[str]) -> set[str]:
    """Append what the list in the file at `path`, or without one the default list, lacks; those it lacked.

    Raises:
        ConfigurationError: the file cannot be read, makes no sense, or cannot be written.
    """
    added: set[str] = set()

    def change(listed: list[str]) -> list[str]:
        held = set(map(_plain, listed))
        new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in held]
        added.update(new)
        return [*listed, *new]

    _change(path, change)
    return added


def save_removed(path: Path, names: Collection[str]) -> set[str]:
    """Take `names` out of the list in the file at `path`, or out of the default one; those that were in it.

    Raises:
        RefusedError: nothing would be left to stream.
        ConfigurationError: the file cannot be read, makes no sense, or cannot be written.
    """
    removed: set[str] = set()

    def change(listed: list[str]) -> list[str]:
        left = [symbol for symbol in listed if _plain(symbol) not in names]
        if not left:
            raise RefusedError("nothing would be left to stream", str(path), hint="add another symbol first")
        removed.update(_plain(symbol) for symbol in listed if _plain(symbol) in names)
        return left

    _change(path, change)
    return removed


def note_settings(loaded: LoadedSettings) -> None:
    """Say it when the environment has a list of its own, for which the file does not matter."""
    origin = loaded.origins.get(".".join(PLACE), "")
    if origin.startswith(("environment", "--set")):
        output.talk(f"{origin} goes before the settings file")


def _plain(symbol: str) -> str:
    return symbol.strip().upper()


def _change(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    def checked(found: Any) -> list[str] | None:
        listed = list(EngineSettings().symbols) if found is None else found
        if not isinstance(listed, list) or not all(isinstance(symbol, str) for symbol in listed):
            raise SettingsError([f"{path}: engine.symbols must be a list of strings"])
        wanted = change(listed)
        return found if wanted == listed else wanted  # a default that stays is not written down

    try:
        saved = change_setting(path, PLACE, checked)
    except SettingsError as error:
        raise ConfigurationError("settings cannot be changed", error.problems[0]) from error
    if saved.backup is not None:
        output.talk(f"comments and layout are not kept: the file as it was is {saved.backup}")
