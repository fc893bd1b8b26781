"""Kraken Futures: what its products are called."""
