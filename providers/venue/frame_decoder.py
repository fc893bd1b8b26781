"""Reading the frames of a venue whose data name their shape and whose answers do not. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

Data = TypeVar("Data")
Other = TypeVar("Other")


class FrameError(ValueError):
    """The text is not a frame of the protocol."""


def frame_decoder(data: Callable[[str], Data], others: Callable[[str], Other]) -> Callable[[str], Data | Other]:
    """What reads one text with `data`, a msgspec decoder, or, when it is of another shape, with `others`.

    It raises `FrameError` for what is not JSON, or of neither shape; its words are those of `data`.
    """

    def decode(text: str) -> Data | Other:
        try:
            return data(text)
        except msgspec.ValidationError as error:
            # All but data is rare enough to be read twice.
            return _decode_other(text, str(error))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise FrameError(str(error)) from None

    def _decode_other(text: str, said: str) -> Other:
        try:
            return others(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise FrameError(said) from None

    return decode
