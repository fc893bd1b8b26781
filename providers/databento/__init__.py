"""Databento: its datasets live and from the archive, in its own records."""
