"""Errors of the election room: one small family, each says what, where and what to do."""

from __future__ import annotations


class ElectionError(Exception):
    """Base of every error raised by `election`.

    Args:
        what: what is wrong, in plain words.
        where: the file and field (or place on the paper) it was found at.
        advice: what the reader can do about it.
    """

    def __init__(self, what: str, *, where: str = "", advice: str = "") -> None:
        self.what = what
        self.where = where
        self.advice = advice
        super().__init__(self.diagnostics())

    def diagnostics(self) -> str:
        """One line: where, what and what to do."""
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}. {self.advice}" if self.advice else line


class DefinitionError(ElectionError):
    """An election definition that cannot be used; `where` names the file and field."""


class ProfileError(ElectionError):
    """A jurisdiction profile that cannot be used."""


class LayoutError(ElectionError):
    """A ballot that cannot be laid out (too much text, too many options for the paper)."""


class CodeError(ElectionError):
    """A ballot code (QR or edge marks) that does not decode or fails its check sum."""
