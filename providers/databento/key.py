"""The API key: from the environment and from nowhere else, and never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import attrs

from core.errors import AuthenticationError
from providers.databento.client import require_client

VARIABLE: Final = "DATABENTO_API_KEY"
_PLACEHOLDER: Final = "YOUR_API_KEY"  # what the vendor's examples say


@attrs.frozen
class ApiKey:
    """A key that does not print itself."""

    value: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return "****"


def read_key(environment: Mapping[str, str] | None = None) -> ApiKey:
    """The key in `DATABENTO_API_KEY`. `environment` stands in for the process's own.

    Raises:
        AuthenticationError: there is none, or what is there cannot be one.
        ConfigurationError: a key is of no use, since the vendor's client is not there.
    """
    require_client()
    value = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    if not value:
        raise AuthenticationError(
            "no Databento key", f"{VARIABLE} is not set", hint=f"set {VARIABLE} and start again"
        )
    # Anything else would be refused by the vendor, or break the lines in which the gateway is spoken to.
    if value == _PLACEHOLDER or not value.isascii() or not value.isprintable() or " " in value or "|" in value:
        raise AuthenticationError("no Databento key", f"{VARIABLE} holds something else", hint="copy the key anew")
    return ApiKey(value)
