"""The end of a program whose strategy cannot be stopped: say so, and end the process."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from console.batch import output

if TYPE_CHECKING:
    from console.backtests.guard import LastResort, StrategyTimeoutError


def giving_up(form: str) -> LastResort:
    """For `time_limit`: reports the error in the output format `form` to the stdout of now, whatever it is when the
    time comes, and ends the process with the exit code of the error. Nothing is cleaned up."""
    stdout = sys.stdout

    def give_up(error: StrategyTimeoutError) -> None:
        with contextlib.redirect_stdout(stdout):
            code = output.report(error, form=form)
            with contextlib.suppress(OSError):
                stdout.flush()
        os._exit(code)

    return give_up
