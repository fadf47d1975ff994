"""What all tests need: processes that they start can be stopped by hand."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Whoever runs the tests in the background may have them ignore Ctrl-C (SIGINT), and what
    they start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
