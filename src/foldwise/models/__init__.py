"""The models, one contract (`model`): fit on the training rows of a fold, predict, save, load.

What they save holds no pickles.
"""
