"""Cleaning."""

TURN = "\x1e"
