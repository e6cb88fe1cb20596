"""Whether torch.compile finds here what it compiles with."""

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

from utils.errors import UserError

PLACE = "TORCHINDUCTOR_CACHE_DIR"  # the variable that says where torch writes what it compiles, and reads it again


def check_compiler(n_gpus: int) -> None:
    """Raise UserError when `--compile` cannot work on this machine.

    Both for the CPU and for GPUs torch has a compiler make a module of Python, which takes Python's own headers; for
    GPUs Triton makes the kernels.
    """
    asked, given = ("CC", ("gcc", "clang", "cc")) if n_gpus else ("CXX", ("g++", "clang++", "c++"))
    names = [os.environ[asked].split()[0]] if os.environ.get(asked, "").strip() else list(given)
    if not any(map(shutil.which, names)):
        raise UserError(f"--compile: needs a compiler ({', '.join(names)}), and there is none here; install one, or "
                        "leave the flag out")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").is_file():
        raise UserError(f"--compile: needs Python's headers, and {headers} has no Python.h; install them (python3-dev "
                        "of many systems), or leave the flag out")
    if n_gpus and importlib.util.find_spec("triton") is None:
        raise UserError("--compile: needs Triton on a GPU, and this Python has none; install the triton that this "
                        "torch names, or leave the flag out")
