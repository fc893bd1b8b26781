"""What a benchmark gives: figures of ours beside a baseline of the same run. Machines are noisy; ratios count."""

from __future__ import annotations

import attrs


@attrs.frozen
class Figure:
    """One row: the `work`, our figure and the baseline's in `unit`, and a word on what the baseline is. `digits` of
    the figures are shown."""

    work: str
    ours: float
    baseline: float
    unit: str
    against: str
    digits: int = 4

    @property
    def ratio(self) -> float:
        """Ours divided by the baseline."""
        return self.ours / self.baseline if self.baseline else float("inf")
