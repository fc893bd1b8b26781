"""What an operator writes to name a dataset and a gateway. Loads next to nothing, for command lines."""

from __future__ import annotations

import attrs

from core.errors import ConfigurationError, UsageError
from core.flow.printable import printable


@attrs.frozen(kw_only=True)
class GatewayAddress:
    """Where the gateway of a dataset is; the vendor's own when `host` is empty."""

    host: str = ""
    port: int = 13_000


def check_dataset(dataset: str) -> str:
    """The dataset's name, such as `GLBX.MDP3`. Raises `UsageError` when it cannot be one."""
    name = dataset.replace(".", "").replace("_", "")
    if not (name.isascii() and name.isalnum() and dataset == dataset.upper() and len(dataset) <= 15):
        hint = "name one with --dataset, as GLBX.MDP3"
        raise UsageError(
            "no dataset" if not dataset else "bad dataset", printable(dataset, 40) or "databento", hint=hint
        )
    return dataset


def parse_gateway(address: str) -> GatewayAddress:
    """Where `HOST:PORT` is. Raises `ConfigurationError` when it is no such thing."""
    host, _, port = address.rpartition(":")
    bad = not host or not host.isascii() or not host.isprintable() or not set("/@ |").isdisjoint(host)
    if bad or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigurationError("bad stream address", printable(address, 80), hint="use HOST:PORT")
    return GatewayAddress(host=host.strip("[]"), port=int(port))
