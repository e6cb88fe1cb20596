"""The user's shell: which of its variables libraries would read, and are not to (docs/environment.md has all)."""

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from utils.console import NOTES
from utils.errors import UserError


@dataclass(frozen=True)
class LeftOut:
    """Variables that a program's processes do not have, by patterns of their names; `kept` are exceptions."""

    names: tuple[str, ...]
    why: str
    kept: tuple[str, ...] = ()


FIGURES = LeftOut(("MPLBACKEND", "MATPLOTLIBRC"), "a report draws into files, with settings of its own")
#: wherever rows are read or trained on
EVERYWHERE = (
    LeftOut(("OMP_*", "GOMP_*", "KMP_*", "MKL_*"),
            "--n_cpu says how many threads a worker has, and workers that are pinned to one core would share it",
            # Ray gives its workers the first, while their training has --n_cpu threads; a run sets the second;
            # the others keep two copies of OpenMP in one process from ending it
            kept=("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")),
    LeftOut(("ATEN_CPU_CAPABILITY", "DNNL_*", "ONEDNN_*", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES",
             "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "NVIDIA_TF32_OVERRIDE"),
            "the same flags and seed give the same bits; --precision says how exact they are"),
    LeftOut(("NUMBA_*",), "the mean is compiled, and always in the same way", kept=("NUMBA_CACHE_DIR",)),
    LeftOut(("PYTHONWARNINGS", "PYTHONINSPECT"), "a library's warning ends no run, and no process waits for more"),
    LeftOut(("TQDM_*", "TORCH_LOGS*", "TORCH_TRACE", "HF_DATASETS_IN_MEMORY_MAX_SIZE"),
            "a value that the library cannot read ends whatever imports it", kept=("TQDM_DISABLE",)),
    FIGURES,
)
#: where Flower and Ray are the run's own
FLOWER = LeftOut(("FLWR_*", "GRPC_*", "grpc_proxy", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"),
                 "what Flower and Ray say to each other stays on this machine",
                 kept=("FLWR_HOME", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"))
RAY = LeftOut(("RAY_*",), "a run starts a Ray of its own; --ray_address joins another",
              # when Ray ends a worker because memory is short: its client runs again
              kept=("RAY_memory_monitor_refresh_ms", "RAY_memory_usage_threshold"))


def leave_out(rules: Iterable[LeftOut], added: Mapping[str, str] = {}) -> None:
    """Remove what `rules` name from this process's environment, and put in what is `added`; note what is gone.

    Libraries read it when they are imported, and the processes that this one starts inherit it.
    """
    found = [name for name in os.environ
             if any(name not in rule.kept and any(fnmatchcase(name, pattern) for pattern in rule.names)
                    for rule in rules)]
    noted = sorted(set(found).difference(added))
    for name in found:
        del os.environ[name]
    os.environ |= added
    if "PYTHONWARNINGS" in found:  # Python has read it at its start
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
    if noted:
        NOTES.info("left out of the environment (docs/environment.md says why): %s", ", ".join(noted))


def check_variables() -> None:
    """Raise UserError for an address or a number that the hub's client could not read; what is empty is unset."""
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        seconds = os.environ.get(name)
        if not seconds:
            os.environ.pop(name, None)
        elif not seconds.isdecimal():
            raise UserError(f"{name} {seconds}: must be a whole number of seconds; mend it, or unset it")
    endpoint = os.environ.get("HF_ENDPOINT")
    if not endpoint:
        os.environ.pop("HF_ENDPOINT", None)
        return
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and " " not in endpoint
    except ValueError:
        good = False
    if not good:
        raise UserError(f"HF_ENDPOINT {endpoint}: is no address of a hub, such as https://huggingface.co; "
                        "mend it, or unset it")
