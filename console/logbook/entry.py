"""One entry of the log: made of a record, written as text or JSON, read back from either. Pure.

A line of text is `TIME LEVEL PART [INSTANCE PID]: TEXT NAME=VALUE …`; of JSON it is one object. The lines of a
traceback follow a line of text, each after `    | `; in JSON they are its `trace`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from console.logbook.levels import LEVELS, RANKS
from console.logbook.redact import redact_value
from console.secrets import Redactor
from core.clock import iso_ns
from core.text import one_line

ROOT: Final = "ringside"
PREFIX: Final = "ringside."
MAX_TEXT: Final = 4000
MAX_TRACE: Final = 32_000
MAX_FIELDS: Final = 32
CONTINUED: Final = "    | "
_CONSIDERED: Final = 16_000
"""Characters of a text that are looked at; what is told of it is shorter by so much that no secret is cut in two."""
_OWN: Final = frozenset({"ts_ns", "ts", "level", "logger", "text", "pid", "instance", "trace"})
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MARKS: Final = frozenset({"repeated", "unfiled", "untold", "said_by"})
"""Extra fields that say who hears of a record, and are not logged."""
_LINE: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z) +([a-z]+) +([^\s\[\]:]+)(?: \[(\S*) (\d+)\])?: (.*)"
)
_FIELD_NAME: Final = re.compile(r"[^A-Za-z0-9_.]")
_BARE: Final = re.compile(r"[^\s=\"']+")


@attrs.frozen(kw_only=True)
class Entry:
    """One entry, safe to be shown: no control characters, no secrets. `trace` alone has several lines."""

    ts_ns: int
    level: str
    logger: str
    text: str
    pid: int = 0
    instance: str = ""
    fields: Mapping[str, Any] = attrs.Factory(dict)
    trace: str = ""

    @property
    def part(self) -> str:
        """The part of the program that said it."""
        return self.logger.removeprefix(PREFIX)

    @property
    def rank(self) -> int:
        """How bad it is, by `RANKS`."""
        return RANKS.get(self.level, RANKS["info"])


def plain(text: str, limit: int = 500) -> str:
    """`text` on one line without control characters, at most `limit` characters."""
    return one_line(text[:limit], instead=" ")


def entry_of(record: logging.LogRecord, redactor: Redactor, *, instance: str = "") -> Entry:
    """The entry of a record, with its extra fields and its exception."""
    given = [item for item in vars(record).items() if item[0] not in _STANDARD and item[0] not in _MARKS]
    return Entry(
        ts_ns=round(record.created * 1e6) * 1000,  # a float of it holds no more
        level=level_name(record.levelno),
        logger=plain(record.name, 100),
        text=safe_text(_message(record), redactor),
        pid=record.process or os.getpid(),
        instance=instance,
        fields={_field_name(name): redact_value(redactor, value) for name, value in given[:MAX_FIELDS]},
        trace=_trace(record, redactor),
    )


def level_name(number: int) -> str:
    """The name of the highest level that is not above `number`."""
    return LEVELS[min(max(number // 10 - 1, 0), len(LEVELS) - 1)]


def safe_text(text: str, redactor: Redactor, limit: int = MAX_TEXT) -> str:
    """`text` on one line without secrets, cut to `limit` with an ellipsis."""
    considered = redactor.redact(plain(text, _CONSIDERED))
    if len(text) > _CONSIDERED:
        considered = considered[: -_CONSIDERED // 4]  # what stands at its end may be half a secret
    return considered if len(considered) <= limit else considered[: limit - 1] + "…"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - a text whose arguments do not fit it, or an argument that cannot be told
        return f"{record.msg!s:.200} (its arguments cannot be told: {type(error).__name__})"


def _field_name(name: str) -> str:
    name = _FIELD_NAME.sub("_", name[:64]) or "_"
    return f"{name}_" if name in _OWN else name


def _trace(record: logging.LogRecord, redactor: Redactor) -> str:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is None:
        return ""
    try:
        lines = "".join(traceback.format_exception(error)).splitlines()
    except Exception:  # noqa: BLE001 - one that cannot even be formatted
        lines = [f"{type(error).__name__}: its traceback cannot be told"]
    # The end says what it was: of one that is too long the middle is left out.
    lines = lines if len(lines) <= 400 else [*lines[:200], f"… {len(lines) - 400} lines left out …", *lines[-200:]]
    text = "\n".join(safe_text(line, redactor, 1000) for line in lines)
    return text if len(text) <= MAX_TRACE else f"{text[: MAX_TRACE // 2]}\n…\n{text[-MAX_TRACE // 2 :]}"


def text_line(entry: Entry, *, alone: bool = False) -> str:
    """The entry as text, its traceback below it, without a newline at the end. `alone` leaves out the instance and
    the process: on a terminal it is known who speaks."""
    instant = iso_ns(entry.ts_ns)[:23] + "Z"
    who = "" if alone else f" [{entry.instance or '-'} {entry.pid}]"
    told = "".join(f" {name}={_told(value)}" for name, value in entry.fields.items())
    below = "".join(f"\n{CONTINUED}{line}" for line in entry.trace.split("\n")) if entry.trace else ""
    return f"{instant} {entry.level:7} {entry.part}{who}: {entry.text}{told}{below}"


def _told(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def json_line(entry: Entry) -> str:
    """The entry as one JSON object, without a newline at the end."""
    return json.dumps(as_object(entry), separators=(",", ":"), ensure_ascii=False)


def as_object(entry: Entry) -> dict[str, Any]:
    """The entry as plain values; extra fields stand beside its own."""
    shown: dict[str, Any] = {
        "ts": iso_ns(entry.ts_ns),
        "ts_ns": entry.ts_ns,
        "level": entry.level,
        "logger": entry.logger,
        "text": entry.text,
        "pid": entry.pid,
        "instance": entry.instance,
    }
    return shown | ({"trace": entry.trace} if entry.trace else {}) | dict(entry.fields)


def parse_line(line: str) -> Entry | None:
    """The entry that a line of a file begins, None when it is none. What it holds is made safe: a file may have been
    written by anybody."""
    entry = _parse_json(line) if line.startswith("{") else _parse_text(line)
    return entry if entry is not None and 0 <= entry.ts_ns < 2**62 else None


def continued(line: str) -> str | None:
    """The line of a traceback in a line of a file, None when it is none."""
    return plain(line[len(CONTINUED) :], 1000) if line.startswith(CONTINUED) else None


def _parse_text(line: str) -> Entry | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    instant, level, part, instance, pid, text = found.groups()
    instance = "" if instance in (None, "-") else instance
    try:
        ts_ns = _instant_ns(instant)
    except ValueError:
        return None
    logger = part if part == ROOT else PREFIX + part
    return Entry(
        ts_ns=ts_ns, level=level if level in RANKS else "info", logger=plain(logger, 100),
        text=plain(text, MAX_TEXT), pid=int(pid[:19]) if pid else 0, instance=plain(instance, 100),
    )  # fmt: skip


def _instant_ns(text: str) -> int:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


def _parse_json(line: str) -> Entry | None:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or not isinstance(raw.get("ts_ns"), int) or isinstance(raw["ts_ns"], bool):
        return None
    nothing = Redactor()
    trace = raw.get("trace")
    fields = {_field_name(name): redact_value(nothing, raw[name]) for name in raw if name not in _OWN}
    level, pid = raw.get("level"), raw.get("pid")
    return Entry(
        ts_ns=raw["ts_ns"],
        level=level if isinstance(level, str) and level in RANKS else "info",
        logger=plain(str(raw.get("logger", "")), 100),
        text=plain(str(raw.get("text", "")), MAX_TEXT),
        pid=pid if isinstance(pid, int) and 0 <= pid < 2**31 else 0,
        instance=plain(str(raw.get("instance", "")), 100),
        fields=dict(list(fields.items())[:MAX_FIELDS]),
        trace="\n".join(plain(one, 1000) for one in trace.split("\n")) if isinstance(trace, str) else "",
    )
