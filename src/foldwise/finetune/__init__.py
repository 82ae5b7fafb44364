"""One training of a transformer, resumable to the same weights: the loop and what it needs.

Knows no fold but by number and no competition.
"""
