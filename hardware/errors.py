"""Errors of the hardware room."""

from __future__ import annotations


class HardwareError(Exception):
    """Base of every error raised by `hardware`."""


class LinkError(HardwareError):
    """The serial link failed: closed, silent past its timeout, or talking nonsense."""


class ProtocolError(LinkError):
    """The peer answered in a way that the protocol does not allow."""


class FeederError(HardwareError):
    """The feeder reports a fault of paper or motor (jam, double feed, box full)."""
