"""The settings: small frozen sections, one a TOML table, each field with its meaning.

Defaults stand here; where a value came from is kept by `config.load`.
"""

from __future__ import annotations

import attrs

MAX_CAPACITY = 1 << 24
MAX_NUMBER = 1000.0


def _power_of_two(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not 64 <= value <= MAX_CAPACITY or value & (value - 1):
        raise ValueError(f"{attribute.name} must be a power of two from 64 to {MAX_CAPACITY}")


def _positive(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 < value <= MAX_NUMBER:  # also refuses what is not a number, which TOML can write
        raise ValueError(f"{attribute.name} must be above 0 and at most {MAX_NUMBER:g}")


@attrs.frozen
class EngineSettings:
    """`[engine]`: what is streamed when the command line does not say."""

    provider: str = "kraken"
    """One of the live providers, or several separated by commas."""
    symbols: tuple[str, ...] = ("BTCUSD", "ETHUSD", "SOLUSD")
    """Canonical symbols."""


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
class VenueSettings:
    """`[venues.NAME]`: where a provider finds its venue; empty means the venue's own address."""

    stream_url: str = ""
    rest_url: str = ""


@attrs.frozen
class VenuesSettings:
    """`[venues]`: one table a provider."""

    kraken: VenueSettings = VenueSettings()
    binance: VenueSettings = VenueSettings()


@attrs.frozen
class Settings:
    """Everything that can be configured."""

    engine: EngineSettings = EngineSettings()
    ring: RingSettings = RingSettings()
    store: StoreSettings = StoreSettings()
    screen: ScreenSettings = ScreenSettings()
    venues: VenuesSettings = VenuesSettings()
