"""The exit codes of commands, beside 0 for what is done."""

from __future__ import annotations

FAILED = 1
BAD_INPUT = 2
NOT_CONNECTED = 4
BROKEN_OFF = 130
"""The code that a shell gives to a command that Ctrl-C ended."""
