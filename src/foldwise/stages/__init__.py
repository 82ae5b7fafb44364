"""The stages, in order. They never import each other: files under `output/` are the coupling."""

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
