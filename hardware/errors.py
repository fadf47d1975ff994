"""Errors of the hardware room."""

from __future__ import annotations


class HardwareError(Exception):
    """Base of every error raised by `hardware`."""


class LinkError(HardwareError):
    """The serial link failed: closed, silent past its timeout, or talking nonsense."""


class ProtocolError(LinkError):
    """The peer answered in a way that the protocol does not allow."""


class ImprinterError(HardwareError):
    """The scanner prints on sheets, and is connected where no sheet may be numbered."""


class FeederError(HardwareError):
    """The feeder reports a fault of paper or motor (jam, double feed, box full)."""


class BatchRefusedError(FeederError):
    """The central scanner refuses a verb of batches; `word` is the text of its error 8."""

    def __init__(self, word: str, message: str) -> None:
        """`word` as it came; `message` for people."""
        self.word = word
        super().__init__(message)
