"""Faults, kills, crowds and hostile input: whatever happens, the next ordinary run ends in the truth.

Sizes are small by default; ``make chaos`` takes larger ones from the environment, see `sizes`.
"""
