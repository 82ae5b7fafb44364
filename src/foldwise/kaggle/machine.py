"""What a machine of Kaggle has, as far as a notebook can count on it."""

ACCELERATOR = "NvidiaTeslaT4"
MEMORY_GB = 29.0  # with two T4s
LIMIT_SECONDS = 9 * 3600.0  # of a notebook that is submitted
HIDDEN_ROWS = 25_000  # of the test file that replaces the public one

# Packages of its Python image that the notebook may use; all that they need is there too.
PACKAGES = (
    "torch", "transformers", "accelerate", "safetensors", "scikit-learn", "scipy", "numpy",
    "pandas", "pyarrow", "lightgbm", "nltk", "joblib", "threadpoolctl", "filelock", "pydantic",
    "typer", "rich", "matplotlib", "jinja2", "ipykernel", "psutil", "statsmodels",
)  # fmt: skip
