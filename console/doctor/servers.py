"""Checks of what is elsewhere: the database, Redis, and the keys that venues and vendors want."""

from __future__ import annotations

from typing import Final

from console.doctor.finding import Fault, Finding, Notes, State
from console.doctor.place import Place
from core.clock import NS_PER_MS
from core.errors import AuthenticationError, ConsoleError, PermanentError

SKEW_NS: Final = 1000 * NS_PER_MS
_KEYED: Final = "databento"


def database(place: Place) -> Finding:
    """Whether PostgreSQL answers, and is fit to be stored in."""
    notes, url = Notes("database"), place.settings.database.url
    if not url:
        notes.ok("none is set: market data is stored in files")
        return notes.finding()
    from core.store.postgres.examine import examine

    facts = examine(url)
    timescale = f", TimescaleDB {facts.timescale}" if facts.timescale else ", no TimescaleDB"
    notes.ok(f"PostgreSQL {facts.version}{timescale} at {facts.place}")
    if facts.refused:
        notes.add(State.ERROR, facts.refused, facts.refused_hint)
    elif facts.waiting:
        notes.add(
            State.ERROR,
            f"{facts.place} waits for {len(facts.waiting)} migrations",
            "run: ringside --batch db migrate",
        )
    else:
        notes.ok("migrated")
    for name in ("fsync", "full_page_writes"):
        if facts.settings.get(name) == "off":
            notes.add(State.WARNING, f"its {name} is off", "turn it on: a crash of the server may lose or tear data")
    if not place.settings.database.durable:
        notes.add(State.NOTE, "database.durable is false: a crash of the server may cost the last second")
    if abs(facts.clock_ahead_ns) > SKEW_NS:
        ahead = f"{abs(facts.clock_ahead_ns) / NS_PER_MS:.0f} ms {'ahead' if facts.clock_ahead_ns > 0 else 'behind'}"
        notes.add(State.WARNING, f"its clock is {ahead}", "synchronise both: jobs and retention go by them")
    else:
        notes.ok(f"its clock differs by {abs(facts.clock_ahead_ns) / NS_PER_MS:.0f} ms")
    return notes.finding()


def redis(place: Place) -> Finding:
    """Whether Redis answers, and what it does when its memory is full."""
    notes, cache = Notes("redis"), place.settings.cache
    if not cache.redis.url or not cache.enabled:
        notes.ok("none is set: recent trades are kept in memory alone")
        return notes.finding()
    from core.store.cache.examine import examine

    facts = examine(cache.redis.url)
    notes.ok(f"Redis {facts.version} at {facts.place}")
    if facts.policy == "noeviction" and facts.most_memory_bytes:
        notes.add(
            State.WARNING,
            f"maxmemory {facts.most_memory_bytes >> 20} MiB with noeviction: full, it takes nothing more",
            "set maxmemory-policy volatile-lru, or leave the memory to it alone",
        )
    else:
        most = f"{facts.most_memory_bytes >> 20} MiB" if facts.most_memory_bytes else "no limit"
        notes.ok(f"memory {most}, {facts.policy or 'policy unknown'}")
    return notes.finding()


def keys(place: Place) -> Finding:
    """Whether the keys that are needed are there and can be keys. They are never shown, nor sent anywhere."""
    from providers.databento.key import VARIABLE, read_key

    notes = Notes("keys")
    wanted = _KEYED in place.settings.engine.provider
    try:
        read_key(place.environment)
        notes.ok(f"{VARIABLE} is set and looks like a key; whether it is accepted shows when it is used")
    except AuthenticationError as error:
        advice = f"{error.hint}; it is read from the environment alone"
        if wanted:
            notes.add(State.ERROR, error.subject, advice, fault=Fault.KEY)
        elif place.environment.get(VARIABLE):
            notes.add(State.WARNING, error.subject, advice)
        else:
            notes.add(State.OK, f"{error.subject}, which only Databento wants")
    except PermanentError as error:  # a program that was built without Databento's client
        notes.add(State.ERROR if wanted else State.OK, f"{error.operation}: {error.subject}", error.hint)
    return notes.finding()


def settings(place: Place) -> Finding:
    """Whether the settings can be used, as `config check` says."""
    from console.batch.settings_meaning import check_meaning

    notes, file = Notes("settings"), place.configuration_file
    for problem in place.problems:
        notes.add(State.ERROR, problem, f"mend it in {file}; config check tells the rest")
    if not place.problems:
        try:
            check_meaning(place.settings)
        except ConsoleError as error:
            notes.add(State.ERROR, f"{error.operation}: {error.subject}", error.hint or f"mend it in {file}")
    changed = [name for name in place.environment if name.startswith("RINGSIDE__")]
    where = str(file) if file.exists() else "defaults; there is no settings file"
    notes.ok(where + (f", {len(changed)} from the environment" if changed else ""))
    return notes.finding()
