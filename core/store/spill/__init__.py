"""Keeps records on this machine while the database does not take them, and gives each to it once afterwards."""

from core.store.spill.carrier import RemoteStore
from core.store.spill.store import SpillingTickStore, SpillState

__all__ = ["RemoteStore", "SpillState", "SpillingTickStore"]
