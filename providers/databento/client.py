"""Whether the vendor's client is there: the slim single file is built without it."""

from __future__ import annotations

from importlib.util import find_spec

from core.errors import ConfigurationError


def require_client() -> None:
    """Go on when the vendor's client can be loaded; it is not loaded by this.

    Raises:
        ConfigurationError: this program was built without it.
    """
    if find_spec("databento") is None:
        raise ConfigurationError(
            "no Databento here",
            "this file was built without Databento's client",
            hint="use the full file, built without --slim; databento-dbn files are read by this one too",
        )
