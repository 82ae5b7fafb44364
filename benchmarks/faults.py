"""Break a run in every way we know, run it again, and tabulate what happened.

PYTHONPATH=src python benchmarks/faults.py [part of a name] >benchmarks/faults.md
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import faults
from forkedrun import make_reference


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [fault for fault in faults.ALL if wanted in fault.name]
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        reference = make_reference(Path(folder) / "reference")
        rows = []
        for number, fault in enumerate(chosen, start=1):
            place = Path(folder) / str(number)
            finding = faults.walk(fault, reference, place)
            shown = [str(text).replace(str(place), "…") for text in (finding.ended, finding.then)]
            loss = "; ".join(finding.problems) or "nothing"
            rows.append(
                f"| {number} | {fault.name} | {' | '.join(shown)} | {finding.again} | {loss} |"
            )
            bad += [(fault.name, finding.problems)] if finding.problems else []
            print(f"{number}/{len(chosen)} {fault.name}: {loss}", file=sys.stderr, flush=True)
    print("# Faults\n")
    print(f"{len(chosen)} faults, {len(bad)} of them lost something or left something wrong.")
    print("Each happens to a copy of a finished run of 45 rows; then the pipeline runs again, and")
    print("its predictions and submission are compared bit by bit with the undisturbed run.\n")
    print("| | fault | the disturbed run | the next run | did again | lost or wrong |")
    print("|---:|---|---|---|---|---|")
    print("\n".join(rows))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
