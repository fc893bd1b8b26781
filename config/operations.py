"""The settings of those who watch over engines: alerts and who hears of them, figures for Prometheus, the log."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from config.checks import Parameters, above_zero, address, one_of, parameters, text, whole

SEVERITIES = ("info", "warning", "critical")
KINDS = ("log", "screen", "bell", "webhook", "slack", "telegram", "ntfy", "email", "exec")
LEVELS = ("debug", "info", "warning", "error")
MAX_SECONDS = 30 * 86_400.0
MAX_THRESHOLD = 1e15


def _secret() -> str:
    value: str = attrs.field(default="", repr=False, validator=address, metadata={"secret": True})
    return value


@attrs.frozen
class RuleSettings:
    """`[alerting.rules.NAME]`: another way for a rule that there is, or a rule of one's own. What is not given is as
    the rule has it. One of one's own needs a metric and one of the four comparisons."""

    enabled: bool = True
    """Whether it is looked at."""
    metric: str = attrs.field(default="", validator=text)
    """The series it is about, as `docs/metrics.md` lists them."""
    per: str = attrs.field(default="", validator=text)
    """A second series: the rule is then about how much the first grew for each one that this grew."""
    window_secs: float | None = None
    """Seconds over which a counter's growth is looked at; not given, what the series says is taken as it is."""
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    clear: float | None = None
    """Where it ends, once it fired: a value on the other side of this one. Not given, where it began."""
    for_secs: float | None = None
    """Seconds that it must be so before it fires."""
    cooldown_secs: float | None = None
    """The least between two messages about one thing; doubled with each, up to `alerting.max_cooldown_secs`."""
    severity: str = attrs.field(default="", validator=one_of(*SEVERITIES))
    match: Parameters = attrs.field(factory=dict, validator=parameters)
    """Only series with these labels, as `{ symbol = "BTCUSD" }`; a `*` stands for anything."""
    group_by: tuple[str, ...] | None = None
    """Labels by which several are told in one message; an empty list tells all in one."""
    parents: tuple[str, ...] | None = None
    """Rules that say more: while one of them fires for the same labels, this one is silent."""
    summary: str = attrs.field(default="", validator=text)
    runbook: str = attrs.field(default="", validator=text)
    """What to do about it."""


@attrs.frozen
class HandlerSettings:
    """`[alerting.handlers.NAME]`: somebody who hears of alerts."""

    kind: str = attrs.field(validator=one_of(*KINDS))
    enabled: bool = True
    min_severity: str = attrs.field(default="info", validator=one_of(*SEVERITIES))
    """Nothing that is less than this is told."""
    rules: tuple[str, ...] = attrs.field(default=(), validator=text)
    """Only of these rules, `*` standing for anything; empty is all."""
    url: str = _secret()
    """Where webhook, slack and ntfy post to, and the server of email as `smtp://user:password@host:587`, or
    `smtps://`; of telegram another server than its own."""
    token: str = _secret()
    """The bot token of telegram, the access token of ntfy, the bearer token of webhook."""
    to: tuple[str, ...] = attrs.field(default=(), validator=text)
    """The chats of telegram, the addresses of email."""
    sender: str = attrs.field(default="", validator=text)
    """The address that email is from."""
    command: tuple[str, ...] = attrs.field(default=(), validator=text)
    """The program of exec and its arguments; it gets the message as JSON on stdin."""
    timeout_secs: float = attrs.field(default=10.0, validator=above_zero(600.0))
    """Seconds that one attempt may take."""
    attempts: int = attrs.field(default=3, validator=whole(1, 10))
    """How often a message is tried, with a growing pause in between, when the other side cannot take it now."""
    max_per_minute: int = attrs.field(default=5, validator=whole(1, 1000))
    """Messages within any 60 s; what is more comes in the last of them, counted."""


@attrs.frozen
class AlertingSettings:
    """`[alerting]`: what is watched, and how often somebody is told."""

    enabled: bool = True
    interval_secs: float = attrs.field(default=30.0, validator=above_zero(3600.0))
    """Seconds between two looks at all rules."""
    cooldown_secs: float = attrs.field(default=300.0, validator=above_zero(MAX_SECONDS))
    """The least between two messages about one thing; doubled with each."""
    max_cooldown_secs: float = attrs.field(default=14_400.0, validator=above_zero(MAX_SECONDS))
    """To what it is doubled at most."""
    channel_backpressure_threshold: float = attrs.field(default=80.0, validator=above_zero(100.0))
    """Percent of a ring that its slowest reader has not read."""
    reconnection_storm_threshold: int = attrs.field(default=10, validator=whole(0, 1_000_000))
    """More reconnections than this within five minutes are a storm."""
    cache_failure_threshold: float = attrs.field(default=0.1, validator=above_zero(1.0))
    """Failed updates of the cache for each trade that it was given."""
    keep_days: int = attrs.field(default=30, validator=whole(0, 36_500))
    """Days that the history of alerts and the figures for rehearsals are kept; 0 keeps all."""
    rules: Mapping[str, RuleSettings] = attrs.field(factory=dict)
    """One table a rule."""
    handlers: Mapping[str, HandlerSettings] = attrs.field(factory=dict)
    """One table each; the log and the screen always hear."""


@attrs.frozen
class MetricsSettings:
    """`[metrics]`: figures for Prometheus."""

    enabled: bool = False
    """Whether an engine answers on `http://127.0.0.1:PORT/metrics`; `--metrics` says the same."""
    port: int = attrs.field(default=9464, validator=whole(1, 65_535))
    """Where. It listens on loopback alone."""


@attrs.frozen
class LogSettings:
    """`[log]`: the log file, in the state directory."""

    level: str = attrs.field(default="info", validator=one_of(*LEVELS))
    """The lowest level that is written."""
    levels: Parameters = attrs.field(factory=dict, validator=parameters)
    """Other levels for parts of it, as `{ feed = "debug" }`."""
    format: str = attrs.field(default="text", validator=one_of("text", "json"))
    """How lines are written; `--log-format` says the same."""
    max_bytes: int = attrs.field(default=4 << 20, validator=whole(4096, 1 << 40))
    """How large a file may become before the next is begun."""
    files: int = attrs.field(default=3, validator=whole(1, 1000))
    """How many older files are kept."""
