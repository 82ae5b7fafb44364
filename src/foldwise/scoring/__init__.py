"""Scores of probabilities, their intervals over groups, tests between models.

Also the ways in which a score comes out too good.
"""
