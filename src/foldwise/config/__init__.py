"""What a run is told.

A competition as one frozen type from TOML, the roster of models, the run with its folders.
"""
