"""The rules that are there without being asked for. Each says what to do about it."""

from __future__ import annotations

from functools import partial
from typing import Final

import attrs

from core.alerts.rules import Comparison, Rule, Severity

FIVE_MINUTES_S: Final = 300.0
_info = partial(Rule, severity=Severity.INFO, comparison=Comparison.ABOVE)
_warning = partial(Rule, severity=Severity.WARNING, comparison=Comparison.ABOVE)
_critical = partial(Rule, severity=Severity.CRITICAL, comparison=Comparison.ABOVE)
_AWAY: Final = ("ipc_disconnected", "connection_down")
_VENUE: Final = ("venue",)


@attrs.frozen(kw_only=True)
class Thresholds:
    """Where three of the rules fire, as `[alerting]` says it."""

    backpressure_ratio: float = 0.8
    reconnects: float = 10
    cache_failure_ratio: float = 0.1


def builtin_rules(thresholds: Thresholds) -> tuple[Rule, ...]:
    """Every rule of ours, the worst first within each kind."""
    return (*_transport(thresholds), *_feeds(), *_books(), *_store(thresholds), *_machine(), *_money())


def _transport(thresholds: Thresholds) -> tuple[Rule, ...]:
    return (
        _critical(
            name="ipc_disconnected",
            metric="ringside_ipc_up",
            comparison=Comparison.BELOW,
            threshold=1,
            summary="the rings of {venue} have no producer: nobody gets its data",
            runbook="Screen 7 shows the process and why it ended. It is restarted by itself; if it does not come "
            "back, stop the engine, run `ringside doctor --fix`, and start it again.",
        ),
        _critical(
            name="connection_down",
            metric="ringside_connection_down_seconds",
            threshold=30,
            clear=0,
            parents=("ipc_disconnected",),
            summary="no connection to {venue}",
            runbook="It is tried again and again, and what is missed is fetched afterwards. Screen 8 says what the "
            "venue answers. Look at the venue's status page, the network, and DNS; `ringside doctor` checks this "
            "machine.",
        ),
        _warning(
            name="reconnection_storm",
            metric="ringside_reconnects_total",
            threshold=thresholds.reconnects,
            window_s=FIVE_MINUTES_S,
            summary="{venue} was connected to again and again within five minutes",
            runbook="The venue or something in between cuts connections. Nothing is lost while history fills the "
            "holes, but venues ban who comes too often. Fewer symbols, another network path, or `--redundant`.",
        ),
        _warning(
            name="channel_backpressure",
            metric="ringside_ring_fill_ratio",
            comparison=Comparison.AT_LEAST,
            threshold=thresholds.backpressure_ratio,
            clear=thresholds.backpressure_ratio * 0.75,
            group_by=("reader",),
            summary="{reader} is far behind in the ring of {symbol} on {venue} and will lose records",
            runbook="Screen 7 shows the reader with its lag and its process. Stop or mend it, or make rings larger "
            "with `[ring] capacity`. The producer is not slowed; what the reader misses is counted.",
        ),
        _warning(
            name="reader_lapped",
            metric="ringside_ring_lapped_total",
            threshold=0,
            window_s=FIVE_MINUTES_S,
            group_by=("reader",),
            summary="{reader} lost records of {symbol} on {venue}: it was too slow",
            runbook="What the store misses is written down as a gap; other readers have to ask for it again. See "
            "channel_backpressure.",
        ),
    )


def _feeds() -> tuple[Rule, ...]:
    return (
        _warning(
            name="stale_feed",
            metric="ringside_stale_seconds",
            threshold=30,
            clear=0,
            group_by=_VENUE,
            parents=(*_AWAY, "reconnection_storm"),
            summary="{symbol} on {venue} is stale: what is shown may be old",
            runbook="Screen 1 says why it counts as stale. If only some symbols are stale, drop and add them on "
            "screen 7; if all are, the connection is half open and will be renewed by itself.",
        ),
        _warning(
            name="trades_lost",
            metric="ringside_lost_total",
            threshold=0,
            window_s=FIVE_MINUTES_S,
            group_by=_VENUE,
            summary="trades of {symbol} on {venue} are missing and could not be had from its history",
            runbook="They stand as a gap on screen 6 (m), with the cause. `ringside backfill fill-gaps` tries again "
            "later, when the venue tells more.",
        ),
        _info(
            name="trade_gap",
            metric="ringside_gaps_total",
            threshold=0,
            window_s=FIVE_MINUTES_S,
            group_by=_VENUE,
            parents=("trades_lost",),
            summary="{symbol} on {venue} had a gap in its trade numbers",
            runbook="The missing trades are asked from the venue's history and published in their place. Nothing to "
            "do unless trades_lost follows.",
        ),
        _warning(
            name="duplicate_rate",
            metric="ringside_duplicates_total",
            per="ringside_trades_total",
            threshold=0.05,
            window_s=FIVE_MINUTES_S,
            for_s=60,
            group_by=_VENUE,
            parents=("reconnection_storm",),
            summary="{symbol} on {venue} brings the same trades again and again",
            runbook="They are left out. A venue repeats after reconnects; without those its feed is at fault.",
        ),
        _warning(
            name="rejected_records",
            metric="ringside_rejected_total",
            threshold=0,
            window_s=FIVE_MINUTES_S,
            group_by=_VENUE,
            summary="records of {symbol} on {venue} make no sense and were refused",
            runbook="They are kept in quarantine with the reason: `ringside db stats`. The venue may have changed "
            "its format or its price steps; screen 8 names the first of them.",
        ),
        _warning(
            name="clock_skew",
            metric="ringside_clock_skew_seconds",
            threshold=0.5,
            clear=0.2,
            for_s=30,
            summary="the clock of {venue} is ahead of ours",
            runbook="Most often it is ours that is slow: check `chronyc tracking` or `timedatectl`. Delays and the "
            "order of venues are wrong until then; records keep both times.",
        ),
    )


def _books() -> tuple[Rule, ...]:
    return (
        _critical(
            name="book_crossed",
            metric="ringside_book_crossed",
            comparison=Comparison.AT_LEAST,
            threshold=1,
            group_by=_VENUE,
            summary="the best bid of {symbol} on {venue} is above its best ask",
            runbook="Do not trade on it. Drop the symbol and add it again on screen 7; if it crosses again, the "
            "venue's feed is wrong.",
        ),
        _warning(
            name="book_invalid",
            metric="ringside_book_invalid_seconds",
            threshold=30,
            clear=0,
            group_by=_VENUE,
            parents=(*_AWAY, "reconnection_storm", "stale_feed"),
            summary="the book of {symbol} on {venue} is withheld: it failed its check",
            runbook="It is built again from a fresh snapshot by itself. If it stays away, drop the symbol and add it "
            "again on screen 7.",
        ),
        _warning(
            name="checksum_failures",
            metric="ringside_checksums_bad_total",
            per="ringside_checksums_ok_total",
            threshold=0.01,
            window_s=FIVE_MINUTES_S,
            group_by=_VENUE,
            summary="books of {symbol} on {venue} fail their checksums again and again",
            runbook="Each failure withholds the book and builds it anew. More than one in a hundred means that "
            "updates are lost on the way or that the venue changed its precision: compare with its own site.",
        ),
    )


def _store(thresholds: Thresholds) -> tuple[Rule, ...]:
    return (
        _critical(
            name="records_lost",
            metric="ringside_store_lost_total",
            threshold=0,
            window_s=FIVE_MINUTES_S,
            summary="records were overwritten before they were stored",
            runbook="They stand as gaps on screen 6. The disk or the database is too slow or was away too long: see "
            "store_down and store_lag.",
        ),
        _critical(
            name="store_down",
            metric="ringside_store_up",
            comparison=Comparison.BELOW,
            threshold=1,
            for_s=10,
            summary="the store does not take records",
            runbook="Screen 6 says why. With a database, records wait on this machine and follow in order; with "
            "files, free the disk or mend its permissions before the rings are full.",
        ),
        _warning(
            name="store_lag",
            metric="ringside_store_lag_seconds",
            threshold=10,
            clear=5,
            for_s=30,
            parents=("store_down",),
            summary="the store is behind what comes in",
            runbook="See how busy the disk or the database is. Nothing is lost until the rings are full.",
        ),
        _warning(
            name="cache_failures",
            metric="ringside_cache_failures_total",
            per="ringside_cache_updates_total",
            comparison=Comparison.AT_LEAST,
            threshold=thresholds.cache_failure_ratio,
            window_s=FIVE_MINUTES_S,
            summary="updates of the cache in {tier} fail",
            runbook="The engine goes on without it. Check that Redis runs and has memory: `redis-cli info memory`.",
        ),
    )


def _machine() -> tuple[Rule, ...]:
    return (
        _critical(
            name="disk_full",
            metric="ringside_disk_free_ratio",
            comparison=Comparison.BELOW,
            threshold=0.02,
            clear=0.03,
            summary="the disk of {place} is nearly full",
            runbook="Storing ends when it is full. `ringside db compress`, `ringside db prune`, or a larger disk.",
        ),
        _warning(
            name="disk_space",
            metric="ringside_disk_free_ratio",
            comparison=Comparison.BELOW,
            threshold=0.1,
            clear=0.12,
            for_s=60,
            parents=("disk_full",),
            summary="the disk of {place} fills up",
            runbook="`ringside db stats` says what takes the room; `[store] keep_days` removes old days by itself.",
        ),
        _warning(
            name="shm_space",
            metric="ringside_shm_free_ratio",
            comparison=Comparison.BELOW,
            threshold=0.1,
            clear=0.15,
            summary="shared memory fills up: there is no room for more rings",
            runbook="`ringside doctor` lists what lies there and removes what dead engines left with --fix. In a "
            "container give it more with shm_size.",
        ),
        _warning(
            name="handler_failing",
            metric="ringside_alert_handler_up",
            comparison=Comparison.BELOW,
            threshold=1,
            for_s=30,
            summary="{handler} cannot be told of alerts",
            runbook="Screen 3 says why, and `ringside alerts test` tries each of them. What it missed is told when "
            "it hears again, and stands in the history.",
        ),
    )


def _money() -> tuple[Rule, ...]:
    return (
        _critical(
            name="budget_spent",
            metric="ringside_budget_spent_ratio",
            comparison=Comparison.AT_LEAST,
            threshold=1,
            summary="the budget of this {period} for history is spent",
            runbook="Nothing more is bought. `ringside backfill cost-report` says on what it went.",
        ),
        _warning(
            name="budget",
            metric="ringside_budget_spent_ratio",
            comparison=Comparison.AT_LEAST,
            threshold=0.8,
            parents=("budget_spent",),
            summary="the budget of this {period} for history is nearly spent",
            runbook="`ringside backfill cost-report` says on what it went.",
        ),
        _warning(
            name="account_drawdown",
            metric="ringside_account_drawdown_ratio",
            comparison=Comparison.AT_LEAST,
            threshold=0.1,
            clear=0.08,
            summary="account {account} lost much of the most it was worth",
            runbook="Screen 2 shows which strategy and which position. `p` pauses a strategy, `H` halts the account.",
        ),
        _warning(
            name="paper_down",
            metric="ringside_paper_up",
            comparison=Comparison.BELOW,
            threshold=1,
            for_s=30,
            summary="paper trading does not run",
            runbook="Screen 2 and screen 8 say why. What the accounts hold is safe and is gone on with.",
        ),
    )
