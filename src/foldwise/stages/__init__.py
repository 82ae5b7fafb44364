"""The stages, in order. They never import each other: files under `output/` are the coupling.

`stage` says when one must run again, `pipeline` runs them, `rerun` runs the last ones alone,
`manifest` describes the run.
"""

ORDER = (
    "clean",
    "folds",
    "leaks",
    "features",
    "baselines",
    "transformer",
    "ensemble",
    "submission",
    "report",
)
