"""Kraken spot: WebSocket v2 for live data, REST for the catalogue."""
