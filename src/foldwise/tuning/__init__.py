"""Settings of one model, chosen by Optuna on the frozen folds and judged nested.

Optuna is imported here alone.
"""
