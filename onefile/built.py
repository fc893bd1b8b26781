"""What a single file was built from. These are the names; each file has a module in this one's place, with values."""

from __future__ import annotations

KEY = ""
VERSION = ""
PYTHON = ""
LEAST_PYTHON = ""
SUFFIX = ""
MACHINE = ""
GLIBC = ""
UNPACKED_BYTES = 0
