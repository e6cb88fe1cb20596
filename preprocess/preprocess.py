"""Lets `python preprocess/rte.py` import from the repository.

A script's own folder is first on its path, not the repository, so what it finds as `preprocess` is this file.
It takes the package's part and puts the repository in the folder's place. Imported as a package
(`import preprocess.rte`), this file is never read.
"""

import sys
from pathlib import Path

__path__ = [str(Path(__file__).resolve().parent)]
sys.path[0] = str(Path(__file__).resolve().parents[1])
