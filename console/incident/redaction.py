"""Takes secrets out of whatever goes into a bundle: out of texts, out of what JSON can say, and out of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from config.hiding import HIDDEN
from console.secrets import Redactor, is_secret_name, is_secret_option


@attrs.frozen
class Redaction:
    """What is hidden: the values that the redactor knows, and whatever looks like a secret."""

    redactor: Redactor = attrs.field(factory=Redactor)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redaction:
        """Hides these values, each in every form in which it may be written down."""
        return cls(Redactor(secrets))

    def text(self, text: str) -> str:
        """`text` without secrets."""
        return self.redactor.redact(text)

    def value(self, value: Any, *, name: str = "") -> Any:
        """The same of what JSON can say: every text in it, the names included. A text under the name of a secret is
        hidden whole, and so is one that follows an option which is called like one."""
        if isinstance(value, str):
            return HIDDEN if value and name and is_secret_name(name) else self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item, name=str(key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return self.words(value)
        return value

    def words(self, words: Iterable[Any]) -> list[Any]:
        """A list, such as a command line: what follows `--token` is hidden."""
        shown, hide = [], False
        for word in words:
            shown.append(HIDDEN if hide and isinstance(word, str) else self.value(word))
            hide = is_secret_option(word)
        return shown

    def data(self, content: bytes) -> bytes:
        """Known secrets out of bytes that are no text, by as many other bytes: what has a length keeps it."""
        for form in self.redactor.forms:
            raw = form.encode("utf-8", "surrogateescape")
            if raw in content:
                content = content.replace(raw, b"*" * len(raw))
        return content
