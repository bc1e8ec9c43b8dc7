"""Figures, never assertions: how fast an import is, and what it costs."""
