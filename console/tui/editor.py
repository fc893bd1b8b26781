"""A text under way, edited in its place on the screen by the keys of a prompt. Pure."""

from __future__ import annotations

import attrs

from console.tui.text import clean

MOST: int = 400


@attrs.frozen
class Editor:
    """The `text` and where the cursor stands in it."""

    text: str = ""
    at: int = 0

    @classmethod
    def of(cls, text: str) -> Editor:
        """`text` with the cursor behind it."""
        return cls(text, len(text))

    def put(self, text: str) -> Editor:
        """With `text` typed or pasted at the cursor; what a terminal would obey is replaced."""
        added = clean(text, limit=MOST - len(self.text)) if len(self.text) < MOST else ""
        return Editor(self.text[: self.at] + added + self.text[self.at :], self.at + len(added))

    def key(self, name: str) -> Editor:
        """After a key, by its name; one that does nothing here changes nothing."""
        before, after = self.text[: self.at], self.text[self.at :]
        if name in {"left", "right", "home", "end", "ctrl+a", "ctrl+e"}:
            places = {"left": max(self.at - 1, 0), "right": min(self.at + 1, len(self.text))}
            return Editor(self.text, places.get(name, 0 if name in {"home", "ctrl+a"} else len(self.text)))
        if name in {"backspace", "ctrl+h"}:
            return Editor(before[:-1] + after, max(self.at - 1, 0))
        if name in {"delete", "ctrl+d"}:
            return Editor(before + after[1:], self.at)
        if name == "ctrl+u":
            return Editor(after, 0)
        if name == "ctrl+k":
            return Editor(before, self.at)
        if name == "ctrl+w":
            kept = before.rstrip()[: before.rstrip().rfind(" ") + 1]
            return Editor(kept + after, len(kept))
        return self

    def shown(self, width: int) -> tuple[str, str, str]:
        """The text before the cursor, the character under it and the text behind, in `width` cells at most."""
        first = max(self.at - width + 1, 0)
        text = (self.text + " ")[first : first + width]
        at = self.at - first
        return text[:at], text[at : at + 1], text[at + 1 :]
