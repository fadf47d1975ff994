"""Errors of the console room."""

from __future__ import annotations


class ConsoleError(Exception):
    """What a command was asked cannot be done; one line that says what to do instead."""
