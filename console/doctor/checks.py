"""All checks, in the order in which they are told: from the machine to what runs on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from console.doctor import clocks, disks, engines, leftovers, machine, permissions, servers, terminal
from console.doctor.finding import Fault
from console.doctor.running import SERVER_S, Check
from core.errors import UsageError

CHECKS: Final = (
    Check(name="terminal", title="TERM, size, colours, letters", look=terminal.terminal),
    Check(name="python", title="interpreter and processor", look=machine.python),
    Check(name="limits", title="open files and memory", look=machine.limits),
    Check(name="clock", title="whether the clock is synchronised", look=clocks.clock),
    Check(name="skew", title="the clock against venues", look=clocks.skew),
    Check(name="timezone", title="time zone and its data", look=clocks.zone),
    Check(name="shm", title="shared memory for the rings", look=disks.shared_memory),
    Check(name="disk", title="room for data, state and logs", look=disks.disk),
    Check(name="permissions", title="who may read what is written", look=permissions.permissions),
    Check(name="leftovers", title="what killed engines left", look=leftovers.leftovers),
    Check(name="settings", title="whether the settings can be used", look=servers.settings),
    Check(name="keys", title="keys for vendors, never shown", look=servers.keys),
    Check(name="database", title="PostgreSQL", look=servers.database, limit_s=SERVER_S, fault=Fault.SERVER),
    Check(name="redis", title="Redis", look=servers.redis, limit_s=SERVER_S, fault=Fault.SERVER),
    Check(name="store", title="who writes it, its catalogue", look=engines.store),
    Check(name="engines", title="engines that run, their problems", look=engines.engines),
    Check(name="calendars", title="how long trading hours are known", look=engines.calendars),
    Check(name="versions", title="packages; with --verbose", look=machine.versions, only_on_request=True),
)
"""Every check; those only on request are left out unless they are named."""


def chosen(names: Sequence[str] = (), *, everything: bool = False) -> list[Check]:
    """The checks of these names, in the order of `CHECKS`; without names all that need not be asked for.

    Raises:
        UsageError: there is no such check.
    """
    known = {check.name for check in CHECKS}
    for name in names:
        if name not in known:
            raise UsageError("no such check", ascii(name)[:40], hint=f"there are {', '.join(sorted(known))}")
    if names:
        return [check for check in CHECKS if check.name in names]
    return [check for check in CHECKS if everything or not check.only_on_request]
