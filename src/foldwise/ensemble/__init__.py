"""Blends of out-of-fold predictions, ours or other people's, judged nested.

Also the blend at work on new texts.
"""
