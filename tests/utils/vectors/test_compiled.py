"""Compiled functions: their machine code is kept, and made anew where it cannot be read."""

import os
import subprocess
import sys

from tests.conftest import ROOT

MODULE = """
from numba import float64

from utils.vectors.compiled import compiled

def _twice(x):
    return 2 * x

twice = compiled(_twice, [float64(float64)])
"""


def test_a_damaged_cache_of_compiled_code_is_no_fault(tmp_path):
    (tmp_path / "doubled.py").write_text(MODULE)
    use = [sys.executable, "-c", "import doubled; print(doubled.twice(2.0), doubled.twice.stats.cache_hits)"]
    hits = []
    for damaged in (False, False, True):
        if damaged:
            for file in tmp_path.glob("__pycache__/*.nb*"):
                file.write_bytes(b"")
        hits.append(subprocess.run(use, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                                   text=True, check=True).stdout.split())
    first, again, after_damage = hits
    assert first == after_damage and first != again
    assert {result for result, *_ in hits} == {"4.0"}
