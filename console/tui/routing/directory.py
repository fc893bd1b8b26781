"""The rules of routing in this process, read from the settings by a thread: then a decision is a matter of
microseconds, made as somebody types."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from config.paths import find_paths
from console.routing import capabilities, decide_by, load_rules
from console.tui.text import clean
from core.errors import ConsoleError
from providers.routing.assets import Exchange
from providers.routing.router import Decision, RouteRequest
from providers.routing.rules import Capability, Rules


@attrs.frozen(kw_only=True)
class Directory:
    """The `rules`, and what the `providers` can serve that they are about."""

    rules: Rules
    providers: Mapping[str, Capability]

    def decide(self, request: RouteRequest) -> Decision:
        """Who serves what is asked for, or why nobody does."""
        return decide_by(self.rules, request)

    @property
    def exchanges(self) -> Mapping[str, Exchange]:
        """Every exchange that is known, by each of its names."""
        return self.rules.exchanges


class DirectoryReader:
    """Reads them: `directory` is the newest there is, and `problem` says why there is no newer one."""

    def __init__(self) -> None:
        self.directory: Directory | None = None
        self.problem = ""
        self._thread: threading.Thread | None = None

    def read(self, configuration: Path | None, *, assigned: Sequence[str] = ()) -> None:
        """Begin to read them anew from that file of settings, the usual one when None, with what is `assigned` on the
        command line before it; nothing waits."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._read, args=(configuration, assigned), name="routing-rules", daemon=True
            )
            self._thread.start()

    def _read(self, configuration: Path | None, assigned: Sequence[str]) -> None:
        from console.batch.engine_plan import load_settings

        try:
            settings = load_settings(configuration, find_paths(), assigned=assigned).settings
            self.directory, self.problem = Directory(rules=load_rules(settings), providers=capabilities()), ""
        except (ConsoleError, OSError) as error:
            self.problem = clean(str(error), limit=400)
