"""The settings: small frozen sections, one a TOML table, each field with its meaning.

Defaults stand here; where a value came from is kept by `config.load`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from config.checks import (
    Amount,
    Parameters,
    above_zero,
    address,
    name,
    one_of,
    parameters,
    power_of_two,
    text,
    whole,
)
from config.hiding import PASSWORD, SECRET, USERINFO, without_userinfo
from config.operations import AlertingSettings, LogSettings, MetricsSettings

MAX_CAPACITY = 1 << 24
MAX_NUMBER = 1000.0
MAX_CACHED_TICKS = 1_000_000
MAX_DAYS = 36_500
MAX_SECONDS = 30 * 86_400.0
MAX_CONTEXT_TICKS = 65_536
MAX_MEMORY_MB = 1 << 20
MODES = ("each-tick", "price-move", "close-bar")
DEFAULT_SIZE = "95%"


def _secret() -> str:
    # An address that may hold a password: never printed, and in a file only if nobody else can read it.
    value: str = attrs.field(default="", repr=False, validator=address, metadata={SECRET: PASSWORD})
    return value


def _venue_address() -> str:
    value: str = attrs.field(default="", repr=without_userinfo, validator=address, metadata={SECRET: USERINFO})
    return value


@attrs.frozen
class EngineSettings:
    """`[engine]`: what is streamed when the command line does not say."""

    provider: str = "kraken"
    """One of the live providers, or several separated by commas."""
    symbols: tuple[str, ...] = ("BTCUSD", "ETHUSD", "SOLUSD")
    """Canonical symbols."""
    dataset: str = ""
    """Which dataset of `databento`, as `GLBX.MDP3`; `--dataset` says the same."""


@attrs.frozen
class RingSettings:
    """`[ring]`: shared memory."""

    capacity: int = attrs.field(default=65_536, validator=power_of_two(64, MAX_CAPACITY))
    """Trades a ring holds, a power of two; 65 536 take 3 MiB."""


@attrs.frozen
class StoreSettings:
    """`[store]`: what is kept on disk."""

    persist: bool = False
    """Whether streams are stored without being asked to with --persist."""
    sync_s: float = attrs.field(default=1.0, validator=above_zero(MAX_NUMBER))
    """Seconds between two flushes to the disk: the most that a power cut can cost."""
    compress_after_days: int = attrs.field(default=1, validator=whole(0, MAX_DAYS))
    """Days that a finished day stays as it is before the engine compresses it; 0 leaves that to `db compress`."""
    keep_days: int = attrs.field(default=0, validator=whole(0, MAX_DAYS))
    """Days of market data that are kept; older ones are removed by the engine. 0 keeps everything."""


@attrs.frozen
class DatabaseSettings:
    """`[database]`: PostgreSQL or TimescaleDB in place of files."""

    url: str = _secret()
    """`postgresql://user:password@host/name`; `DATABASE_URL` says the same. Empty stores in files."""
    durable: bool = True
    """Whether each batch is on the server's disk before it counts as stored; false gathers them for a second."""


@attrs.frozen
class MemoryCacheSettings:
    """`[cache.memory]`: the first tier."""

    max_ticks_per_symbol: int = attrs.field(default=1000, validator=whole(1, MAX_CACHED_TICKS))
    """Trades kept of a symbol."""
    ttl_seconds: float = attrs.field(default=300.0, validator=above_zero(MAX_SECONDS))
    """Seconds after the last trade until a symbol's are forgotten."""


@attrs.frozen
class RedisCacheSettings:
    """`[cache.redis]`: the second tier, which outlives the engine."""

    url: str = _secret()
    """`redis://:password@host:6379/0`; `REDIS_URL` says the same. Empty means no second tier."""
    max_ticks_per_symbol: int = attrs.field(default=10_000, validator=whole(1, MAX_CACHED_TICKS))
    """Trades kept of a symbol."""
    ttl_seconds: float = attrs.field(default=3600.0, validator=above_zero(MAX_SECONDS))
    """Seconds after the last trade until a symbol's are forgotten."""


@attrs.frozen
class CacheSettings:
    """`[cache]`: the newest trades at hand."""

    enabled: bool = True
    """Whether an engine keeps them."""
    memory: MemoryCacheSettings = MemoryCacheSettings()
    redis: RedisCacheSettings = RedisCacheSettings()


@attrs.frozen
class ScreenSettings:
    """`[screen]`: the full-screen console."""

    frames_per_s: float = attrs.field(default=10.0, validator=above_zero(MAX_NUMBER))
    """Pictures a second."""
    low_bandwidth: bool = False
    """Two pictures a second and no flashes, for slow lines."""
    ascii_only: bool = False
    """Draw with ASCII alone."""
    theme: str = attrs.field(default="dark", validator=one_of("dark", "light"))
    """The colours to begin with; the key `t` changes them while the console runs."""


@attrs.frozen
class AddressSettings:
    """`[venues.NAME]`: where a provider finds its venue; empty means the venue's own address."""

    stream_url: str = _venue_address()
    rest_url: str = _venue_address()


@attrs.frozen
class VenueSettings(AddressSettings):
    """`[venues.NAME]` of a venue that may be connected to more than once."""

    redundant: bool = False
    """Whether it is streamed over two connections at once, as `--redundant` asks for; recordings never are."""


@attrs.frozen
class VenuesSettings:
    """`[venues]`: one table a provider."""

    kraken: VenueSettings = VenueSettings()
    binance: VenueSettings = VenueSettings()
    kraken_futures: VenueSettings = VenueSettings()
    databento: AddressSettings = AddressSettings()
    """`stream_url` is HOST:PORT of a live gateway, `rest_url` the https address of an archive."""


@attrs.frozen
class DefaultAccountSettings:
    """`[accounts.default]`: the simulated account of every strategy that has no other."""

    id: str = "DEFAULT"
    """Its name: letters, digits and `_ . -`."""
    currency: str = ""
    """What it holds, as `USDT`; empty is the currency in which whatever it trades is paid."""
    initial_balance: Amount = "100000"
    """How much of it to begin with."""
    strategies: tuple[str, ...] = ()
    """Strategies that use it; it is also there for those that no account names."""
    leverage: int = 1
    """How many times its money a position in perpetuals and futures may be worth."""
    max_position: Amount = ""
    """The most that one position may be worth, of paper trading; empty or 0 is no limit."""
    max_day_loss: Amount = ""
    """The most that may be lost in a UTC day before nothing but closing is allowed; empty or 0 is no limit."""
    max_orders_per_minute: int = 0
    """Orders that may be given within any 60 s; 0 is no limit."""


@attrs.frozen(kw_only=True)
class SimulationAccountSettings:
    """`[[accounts.simulation]]`: a simulated account of its own for some strategies."""

    id: str
    currency: str
    initial_balance: Amount
    strategies: tuple[str, ...] = ()
    leverage: int = 1
    max_position: Amount = ""
    max_day_loss: Amount = ""
    max_orders_per_minute: int = 0


@attrs.frozen
class AccountsSettings:
    """`[accounts]`: what strategies trade with where no money is at stake."""

    default: DefaultAccountSettings = DefaultAccountSettings()
    simulation: tuple[SimulationAccountSettings, ...] = ()
    """One table each."""


@attrs.frozen(kw_only=True)
class PaperRunSettings:
    """`[[paper_trading.run]]`: a strategy that trades on paper in a way of its own."""

    label: str = attrs.field(default="", validator=name)
    """What it goes by: letters, digits and `_ . -`; empty is the strategy's name."""
    strategy: str = attrs.field(validator=text)
    """Its name, another name of it, or the file it is in."""
    symbols: tuple[str, ...] = attrs.field(default=(), validator=text)
    """Empty is those of `[paper_trading]`."""
    params: Parameters = attrs.field(factory=dict, validator=parameters)
    """Its parameters by name, as text, numbers, true or false."""
    bars: str = attrs.field(default="", validator=text)
    mode: str = attrs.field(default="", validator=one_of(*MODES))
    account: str = attrs.field(default="", validator=name)
    """Which account it trades on; empty is the one that the accounts say."""

    def __attrs_post_init__(self) -> None:
        if not self.strategy:
            raise ValueError("strategy must be a name or a file")


@attrs.frozen
class PaperTradingSettings:
    """`[paper_trading]`: strategies that trade on what is streamed, with accounts that are not real."""

    enabled: bool = False
    """Whether an engine trades on paper without being asked to with --paper-trading."""
    strategy: str = attrs.field(default="", validator=text)
    """A strategy: its name, another name of it, or the file it is in. Short for `strategies` of one."""
    strategies: tuple[str, ...] = attrs.field(default=(), validator=text)
    """Several of them, beside it and the runs."""
    symbols: tuple[str, ...] = attrs.field(default=(), validator=text)
    """What they trade; empty is all that is streamed."""
    initial_capital: Amount = ""
    """What the default account begins with, in place of `accounts.default.initial_balance`."""
    desk: str = attrs.field(default="default", validator=name)
    """The folder of its state: letters, digits and `_ . -`."""
    context_ticks: int = attrs.field(default=1000, validator=whole(0, MAX_CONTEXT_TICKS))
    """Trades of before the start that strategies are shown first."""
    bars: str = attrs.field(default="", validator=text)
    """The bars of all strategies, as `1m` or `100t`; empty is what each asks for."""
    mode: str = attrs.field(default="", validator=one_of(*MODES))
    """When all are called: each-tick, price-move or close-bar; empty is what each asks for."""
    size: str = attrs.field(default=DEFAULT_SIZE, validator=text)
    """How much of the account a signal is about."""
    quantity: str = attrs.field(default="", validator=text)
    """How much it is about in units or contracts, in place of `size`."""
    shorts: bool = False
    """Whether a SELL goes short, where the product allows it."""
    slippage: str = attrs.field(default="", validator=text)
    """So much worse is the price of orders that take, as `0.05%`, or `2t` for two price steps."""
    latency: str = attrs.field(default="", validator=text)
    """How long an order is on its way, as `50ms`."""
    jitter: str = attrs.field(default="", validator=text)
    """Up to so much longer, by chance."""
    touch: bool = False
    """Whether limit orders also fill at their price, and not only through it."""
    maker: str = attrs.field(default="", validator=text)
    """The fee of orders that rest, as `0.1%` or `10bps`; empty is the venue's."""
    taker: str = attrs.field(default="", validator=text)
    """The fee of orders that take; empty is the venue's."""
    memory_mb: int = attrs.field(default=1024, validator=whole(16, MAX_MEMORY_MB))
    """How much memory strategies in a process of their own may take, in MiB."""
    call_s: float = attrs.field(default=1.0, validator=above_zero(MAX_NUMBER))
    """The longest that one of those may take for one event, in seconds."""
    keep_days: int = attrs.field(default=30, validator=whole(0, MAX_DAYS))
    """Days that sessions are kept; older ones are removed when the next begins. 0 keeps all."""
    run: tuple[PaperRunSettings, ...] = ()
    """One table each."""

    def __attrs_post_init__(self) -> None:
        if self.quantity and self.size != DEFAULT_SIZE:
            raise ValueError("quantity and size are both set")
        called: set[str] = set()
        for number, one in enumerate(self.run):
            if (label := one.label or one.strategy) in called:
                raise ValueError(f"run[{number}] is the second one called {label[:40]!a}: give it a label of its own")
            called.add(label)


@attrs.frozen
class RouteSettings:
    """`[routing.asset_types.NAME]` and `[routing.symbols."SYMBOL@EXCHANGE"]`: who serves it. What is empty is left
    to the next tier."""

    historical: str = ""
    """The provider of its past, as `databento`."""
    realtime: str = ""
    """The provider of its live data."""
    dataset: str = ""
    """Which dataset of a provider that has many."""


@attrs.frozen
class DatasetSettings:
    """`[routing.databento]`: which datasets hold what."""

    datasets: Parameters = attrs.field(factory=dict, validator=parameters)
    """`"futures@CME" = "GLBX.MDP3"`: beside those that are known, or in their place."""


@attrs.frozen
class RoutingSettings:
    """`[routing]`: who serves a symbol: by symbol and exchange, by asset type and exchange, or by default."""

    default_provider: str = "databento"
    databento: DatasetSettings = DatasetSettings()
    asset_types: Mapping[str, RouteSettings] = attrs.field(factory=dict)
    """By `futures`, `equity` or `crypto`, or more exactly by `crypto@KRAKEN`."""
    symbols: Mapping[str, RouteSettings] = attrs.field(factory=dict)
    """By `ESH5@CME`."""


@attrs.frozen
class BackfillSettings:
    """`[backfill]`: what may be spent on history. An empty amount is no limit, and 0 lets nothing be bought."""

    max_cost_usd: Amount = ""
    """The most that one command may cost; `--max-cost` says the same."""
    daily_budget_usd: Amount = ""
    """The most that may be spent in a UTC day, by all who share the store."""
    monthly_budget_usd: Amount = ""
    """The most that may be spent in a calendar month, in UTC."""


@attrs.frozen
class Settings:
    """Everything that can be configured."""

    engine: EngineSettings = EngineSettings()
    ring: RingSettings = RingSettings()
    store: StoreSettings = StoreSettings()
    database: DatabaseSettings = DatabaseSettings()
    cache: CacheSettings = CacheSettings()
    screen: ScreenSettings = ScreenSettings()
    venues: VenuesSettings = VenuesSettings()
    accounts: AccountsSettings = AccountsSettings()
    paper_trading: PaperTradingSettings = PaperTradingSettings()
    routing: RoutingSettings = RoutingSettings()
    backfill: BackfillSettings = BackfillSettings()
    alerting: AlertingSettings = attrs.field(factory=AlertingSettings)
    metrics: MetricsSettings = attrs.field(factory=MetricsSettings)
    log: LogSettings = attrs.field(factory=LogSettings)

    def __attrs_post_init__(self) -> None:
        capital, balance = self.paper_trading.initial_capital, self.accounts.default.initial_balance
        if capital and balance not in (capital, DefaultAccountSettings().initial_balance):
            places = "paper_trading.initial_capital and accounts.default.initial_balance"
            raise ValueError(f"{places} are both set, and differ: remove one of them")
