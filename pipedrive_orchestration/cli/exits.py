"""How a command ends: its exit codes, and the errors of its own that lead to them."""

from __future__ import annotations

from typing import ClassVar

FAILED = 1
BAD_INPUT = 2
NOT_CONNECTED = 4
BROKEN_OFF = 130
"""What a shell gives to a command that Ctrl-C ended."""


class CommandError(Exception):
    """Base of what a command itself raises, with a message that is all a user needs."""

    exit_code: ClassVar[int] = FAILED
