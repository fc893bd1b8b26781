"""One field of a form, and what may stand in it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import attrs

from core.errors import ConsoleError, UsageError

YES_OR_NO: Final = ("", "yes")
"""The choices of a field that is an option without a value."""


@attrs.frozen(kw_only=True)
class Field:
    """One line of a form, by the name of the command's option, `shown` as that or as something else. An empty value
    leaves it to the command, which then does what `default` says. `check` raises `UsageError` for a value that makes
    no sense; `choices` are gone through by keys, others may be typed if `free`."""

    name: str
    help: str
    group: str
    shown: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    free: bool = True
    check: Callable[[str], object] = attrs.field(default=str, repr=False)

    @property
    def label(self) -> str:
        """What is written before its value."""
        return self.shown or self.name.replace("_", " ")

    @property
    def option(self) -> str:
        """How it is written on a command line."""
        return "--" + self.name.replace("_", "-")

    def problem(self, value: str) -> UsageError | None:
        """What is wrong with a value that is not empty; None when nothing is."""
        try:
            self.check(value)
        except UsageError as error:
            return error
        except (ConsoleError, ValueError) as error:
            return UsageError("bad value", str(error)[:200])
        if self.free or value in self.choices:
            return None
        return UsageError(
            "no such choice", value[:40], hint=f"one of {', '.join(one or 'no' for one in self.choices)}"
        )

    def turned(self, value: str, step: int) -> str:
        """The choice `step` after a value; the first one's after a value that is none of them."""
        at = self.choices.index(value) + step if value in self.choices else 0
        return self.choices[at % len(self.choices)]


class Fillable(Protocol):
    """A form: its fields, what stands in them, and what is wrong with that."""

    @property
    def title(self) -> str:
        """What it is about, in a word."""
        ...

    def fields(self) -> Sequence[Field]:
        """The fields there are now, in their order."""
        ...

    def value(self, name: str) -> str:
        """What stands in a field, without space around it."""
        ...

    def problem(self, name: str) -> ConsoleError | None:
        """What is wrong with the value of a field; None when nothing is."""
        ...

    def remark(self, name: str) -> str:
        """A word on the value of a field that stands beside it; empty for none."""
        ...

    def concern(self, name: str) -> ConsoleError | None:
        """What is wrong with a field or with those that belong to it, to be said in full."""
        ...

    def put(self, name: str, text: str) -> None:
        """Fill in a field."""
        ...

    def turn(self, name: str, step: int) -> bool:
        """Go to the next or previous choice of a field; False when it has none."""
        ...

    def arguments(self) -> list[str]:
        """The command line without the program."""
        ...
