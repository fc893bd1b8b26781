"""The tables of the catalogue, version by version. Money is text, so that nothing is rounded; instants are integers,
nanoseconds since the UNIX epoch."""

from __future__ import annotations

from typing import Final

_FIRST = """
CREATE TABLE instruments (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, instrument_id INTEGER NOT NULL UNIQUE,
    venue_symbol TEXT, canonical TEXT, base TEXT, quote TEXT, settle TEXT, product TEXT,
    price_decimals INTEGER, quantity_decimals INTEGER, price_increment_e9 INTEGER, quantity_increment_e8 INTEGER,
    PRIMARY KEY (venue, symbol)) WITHOUT ROWID;
CREATE TABLE segments (
    path TEXT PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL, rows INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cursors (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL, newest_id INTEGER NOT NULL,
    newest_ns INTEGER NOT NULL, rows INTEGER NOT NULL, duplicates INTEGER NOT NULL, out_of_order INTEGER NOT NULL,
    rejected INTEGER NOT NULL, PRIMARY KEY (venue, symbol, schema)) WITHOUT ROWID;
CREATE TABLE lost (
    id INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, rows INTEGER NOT NULL)
"""

# `generation` and `checksum` are explained in `SegmentFacts`; -1 is an unknown checksum. `noted_ns` is when a row was
# written.
_SECOND = """
ALTER TABLE segments ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segments ADD COLUMN checksum INTEGER NOT NULL DEFAULT -1;
ALTER TABLE segments ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE cursors ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE gaps (
    gap_id INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, rows INTEGER NOT NULL, cause TEXT NOT NULL,
    noted_ns INTEGER NOT NULL);
CREATE UNIQUE INDEX gaps_of_series ON gaps (venue, symbol, schema, start_ns, end_ns, cause);
INSERT OR IGNORE INTO gaps (gap_id, venue, symbol, schema, start_ns, end_ns, rows, cause, noted_ns)
    SELECT id, venue, symbol, schema, start_ns, end_ns, rows, 'not stored', 0 FROM lost;
DROP TABLE lost;
CREATE TABLE quarantine (
    quarantine_id INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL,
    reason TEXT NOT NULL, record BLOB NOT NULL, noted_ns INTEGER NOT NULL);
CREATE INDEX quarantine_of_series ON quarantine (venue, symbol, schema, reason, quarantine_id);
CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY, kind TEXT NOT NULL, request TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    progress TEXT NOT NULL DEFAULT '{}', message TEXT NOT NULL DEFAULT '',
    created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE spend (
    spend_id INTEGER PRIMARY KEY, job_id TEXT REFERENCES jobs, provider TEXT NOT NULL, dataset TEXT NOT NULL,
    schema TEXT NOT NULL, symbol TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    rows INTEGER NOT NULL, billed_bytes INTEGER NOT NULL, estimated_usd TEXT NOT NULL, paid_usd TEXT NOT NULL,
    spent_ns INTEGER NOT NULL);
CREATE INDEX spend_time ON spend (spent_ns);
CREATE TABLE alert_history (
    alert_id INTEGER PRIMARY KEY, rule TEXT NOT NULL, subject TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    state TEXT NOT NULL CHECK (state IN ('firing', 'acknowledged', 'silenced', 'resolved')),
    value TEXT NOT NULL, threshold TEXT NOT NULL, message TEXT NOT NULL, noted_ns INTEGER NOT NULL);
CREATE INDEX alert_history_time ON alert_history (noted_ns);
CREATE TABLE live_strategy_log (
    log_id INTEGER PRIMARY KEY, logged_ns INTEGER NOT NULL, session_id TEXT NOT NULL, strategy TEXT NOT NULL,
    strategy_sha256 TEXT NOT NULL, account TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
    event TEXT NOT NULL CHECK (event IN ('signal', 'order', 'fill', 'cancel', 'reject', 'stop')),
    side TEXT NOT NULL DEFAULT '', ts_event INTEGER NOT NULL, price TEXT, quantity TEXT, fee TEXT, cash TEXT,
    position TEXT, equity TEXT, realised_pnl TEXT, details TEXT NOT NULL DEFAULT '{}');
CREATE INDEX live_strategy_log_session ON live_strategy_log (session_id, log_id);
CREATE INDEX live_strategy_log_time ON live_strategy_log (ts_event)
"""

# Segments by where they lie below the store's directory, which may be moved: the last four parts of their paths, each
# cut off by `rtrim` with all characters but the slash. Of one that is known twice what was sealed more often, or grew
# longer, is newer. `rows` were lost with a file that was put aside, while `beside` others of that time were stored.
_ABOVE = "path"
for _ in range(4):
    _ABOVE = f"rtrim(rtrim({_ABOVE}, '/'), replace(path, '/', ''))"
_COLUMNS = (
    "venue, symbol, schema, rows, stored_bytes, first_ns, last_ns, first_id, last_id, generation, checksum, sha256"
)
_THIRD = f"""
CREATE TABLE placed (
    path TEXT PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL, rows INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL, generation INTEGER NOT NULL, checksum INTEGER NOT NULL, sha256 TEXT NOT NULL)
    WITHOUT ROWID;
INSERT OR IGNORE INTO placed (path, {_COLUMNS})
    SELECT substr(path, 1 + length({_ABOVE})), {_COLUMNS} FROM segments ORDER BY generation DESC, rows DESC;
DROP TABLE segments;
ALTER TABLE placed RENAME TO segments;
CREATE TABLE put_aside (
    path TEXT PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, rows INTEGER NOT NULL, beside INTEGER NOT NULL,
    noted_ns INTEGER NOT NULL) WITHOUT ROWID
"""  # noqa: S608 - constants

# Of a gap's `rows` and `recovered` the first are still missing; `first_id` is 0 where no id is known.
_FOURTH = """
ALTER TABLE gaps ADD COLUMN first_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gaps ADD COLUMN recovered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gaps ADD COLUMN reason TEXT NOT NULL DEFAULT '';
DROP INDEX gaps_of_series;
CREATE UNIQUE INDEX gaps_of_series ON gaps (venue, symbol, schema, start_ns, end_ns, cause, first_id)
"""

# Of each `line` of a session's ledger there is one row at most; rows from before have none.
_FIFTH = """
ALTER TABLE live_strategy_log ADD COLUMN line INTEGER;
CREATE UNIQUE INDEX live_strategy_log_line ON live_strategy_log (session_id, line)
"""

# Stretches of a series that were asked for afterwards, to the end: what is not stored of them does not exist. Of
# those that were `begun` some records may be stored, which say nothing of what lies between them. Of what was bought
# it is known before the seller answers that it was `asked`; `void` is what he then did not sell.
_SIXTH = """
CREATE TABLE fetched (
    fetched_id INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, rows INTEGER NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('bought', 'recovered', 'begun')),
    job_id TEXT NOT NULL, noted_ns INTEGER NOT NULL);
CREATE INDEX fetched_of_series ON fetched (venue, symbol, schema, start_ns);
ALTER TABLE spend ADD COLUMN state TEXT NOT NULL DEFAULT 'bought' CHECK (state IN ('asked', 'bought', 'void'));
ALTER TABLE spend ADD COLUMN order_id TEXT NOT NULL DEFAULT ''
"""

# Of `alert_history` the `noted_ns` are when it happened, and `alert_id` is the row's number: `newest` is the last one
# that was given, also when its row was removed. `origin` is the catalogue's own name where its rows are copied to.
_SEVENTH = """
ALTER TABLE alert_history ADD COLUMN instance TEXT NOT NULL DEFAULT '';
CREATE INDEX alert_history_rule ON alert_history (rule, noted_ns);
CREATE TABLE alert_origin (
    only INTEGER PRIMARY KEY CHECK (only = 1), origin TEXT NOT NULL, newest INTEGER NOT NULL);
INSERT INTO alert_origin (only, origin, newest)
    SELECT 1, lower(hex(randomblob(16))), coalesce(max(alert_id), 0) FROM alert_history
"""

STEPS: Final = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH)
"""The statements that lead from each version of the catalogue to the next."""
