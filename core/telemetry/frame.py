"""What all series measure at one moment, as columns: the input of everything that looks at figures."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

Labels = tuple[str, ...]
"""The values of a series' labels, in the order in which it declares them."""


@attrs.frozen(eq=False)
class Column:
    """One series at one moment: `values` (float64) of as many things as there are `labels`, each of them once. What
    is not known now is not a number."""

    labels: tuple[Labels, ...]
    values: NDArray[np.float64]


@attrs.frozen(eq=False)
class Frame:
    """All series at `time_ns`, a wall clock, by name. A series without a column measures nothing now."""

    time_ns: int
    columns: Mapping[str, Column]
