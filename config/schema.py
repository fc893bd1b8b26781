"""The settings: small frozen sections, one a TOML table, each field with its meaning.

Defaults stand here; where a value came from is kept by `config.load`.
"""

from __future__ import annotations

import attrs

MAX_CAPACITY = 1 << 24
MAX_NUMBER = 1000.0
MAX_CACHED_TICKS = 1_000_000
MAX_DAYS = 36_500
MAX_SECONDS = 30 * 86_400.0


def _power_of_two(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not 64 <= value <= MAX_CAPACITY or value & (value - 1):
        raise ValueError(f"{attribute.name} must be a power of two from 64 to {MAX_CAPACITY}")


def _positive(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 < value <= MAX_NUMBER:  # also refuses what is not a number, which TOML can write
        raise ValueError(f"{attribute.name} must be above 0 and at most {MAX_NUMBER:g}")


def _count(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not 1 <= value <= MAX_CACHED_TICKS:
        raise ValueError(f"{attribute.name} must be from 1 to {MAX_CACHED_TICKS}")


def _days(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not 0 <= value <= MAX_DAYS:
        raise ValueError(f"{attribute.name} must be from 0 to {MAX_DAYS}")


def _seconds(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"{attribute.name} must be above 0 and at most {MAX_SECONDS:g}")


def _address(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if any(not ch.isprintable() for ch in value):
        raise ValueError(f"{attribute.name} holds characters that no address has")


def _secret() -> str:
    # An address that may hold a password: never printed, and in a file only if nobody else can read it.
    value: str = attrs.field(default="", repr=False, validator=_address, metadata={"secret": True})
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

    capacity: int = attrs.field(default=65_536, validator=_power_of_two)
    """Trades a ring holds, a power of two; 65 536 take 3 MiB."""


@attrs.frozen
class StoreSettings:
    """`[store]`: what is kept on disk."""

    persist: bool = False
    """Whether streams are stored without being asked to with --persist."""
    sync_s: float = attrs.field(default=1.0, validator=_positive)
    """Seconds between two flushes to the disk: the most that a power cut can cost."""
    compress_after_days: int = attrs.field(default=1, validator=_days)
    """Days that a finished day stays as it is before the engine compresses it; 0 leaves that to `db compress`."""
    keep_days: int = attrs.field(default=0, validator=_days)
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

    max_ticks_per_symbol: int = attrs.field(default=1000, validator=_count)
    """Trades kept of a symbol."""
    ttl_seconds: float = attrs.field(default=300.0, validator=_seconds)
    """Seconds after the last trade until a symbol's are forgotten."""


@attrs.frozen
class RedisCacheSettings:
    """`[cache.redis]`: the second tier, which outlives the engine."""

    url: str = _secret()
    """`redis://:password@host:6379/0`; `REDIS_URL` says the same. Empty means no second tier."""
    max_ticks_per_symbol: int = attrs.field(default=10_000, validator=_count)
    """Trades kept of a symbol."""
    ttl_seconds: float = attrs.field(default=3600.0, validator=_seconds)
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

    frames_per_s: float = attrs.field(default=10.0, validator=_positive)
    """Pictures a second."""
    low_bandwidth: bool = False
    """Two pictures a second and no flashes, for slow lines."""
    ascii_only: bool = False
    """Draw with ASCII alone."""


@attrs.frozen
class AddressSettings:
    """`[venues.NAME]`: where a provider finds its venue; empty means the venue's own address."""

    stream_url: str = ""
    rest_url: str = ""


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
    initial_balance: str = "100000"
    """How much of it to begin with, as text, so that no digit is lost."""
    strategies: tuple[str, ...] = ()
    """Strategies that use it; it is also there for those that no account names."""
    leverage: int = 1
    """How many times its money a position in perpetuals and futures may be worth."""


@attrs.frozen(kw_only=True)
class SimulationAccountSettings:
    """`[[accounts.simulation]]`: a simulated account of its own for some strategies."""

    id: str
    currency: str
    initial_balance: str
    strategies: tuple[str, ...] = ()
    leverage: int = 1


@attrs.frozen
class AccountsSettings:
    """`[accounts]`: what strategies trade with where no money is at stake."""

    default: DefaultAccountSettings = DefaultAccountSettings()
    simulation: tuple[SimulationAccountSettings, ...] = ()
    """One table each."""


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
