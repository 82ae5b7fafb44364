import subprocess
import sys

from foldwise.kaggle.sandbox import _tree, _tree_memory_mb

HOLD = "block = bytearray(100 * 2**20)\nfor i in range(0, len(block), 4096): block[i] = 1\n"


def test_the_memory_of_a_process_is_that_of_all_it_started(tmp_path):
    child = HOLD + "print('up', flush=True)\nsys.stdin.read()"
    (tmp_path / "child.py").write_text("import sys\n" + child)
    parent = f"import subprocess, sys\n{HOLD}subprocess.run([sys.executable, sys.argv[1]])"
    process = subprocess.Popen(
        [sys.executable, "-c", parent, str(tmp_path / "child.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "up\n"
    assert len(_tree(process.pid)) == 2
    assert 200 < _tree_memory_mb(process.pid) < 300
    process.communicate("")
    assert _tree_memory_mb(process.pid) == 0
