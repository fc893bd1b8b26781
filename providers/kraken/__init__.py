"""Kraken: the spot market, and the names of its derivatives."""
