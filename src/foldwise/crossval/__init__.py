"""The unit of work, one model without one fold.

What it is told, what it depends on, where it runs, how its folds are joined. Leakage is decided
here and nowhere else.
"""
