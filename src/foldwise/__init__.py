"""foldwise: an honest, reproducible competition pipeline for text classification."""

__version__ = "0.1.0"
