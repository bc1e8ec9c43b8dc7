"""The error of an action that can be done for no row."""

from __future__ import annotations


class ActionError(Exception):
    """An action that can be done for no row now; says what is in its way and never a secret."""
