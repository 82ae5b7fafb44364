"""Texts as numbers.

Counting is done once and fits nothing; terms, IDF and scales are chosen from the training rows of a
fold (`tfidf`).
"""
