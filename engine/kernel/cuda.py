"""Integration on a GPU: one thread per patient, the scalar build of the same kernel; needs ``numba-cuda``.

`run` fills the same buffers as a compiled CPU kernel, so that `engine.kernel.batch.integrate` checks the input and
finishes the result in the same way for both.  numba's CUDA support is imported on first use only.
"""

import warnings
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.kernel import _jit
from pulsatile.engine.kernel.codegen import GENERATING, source
from pulsatile.engine.kernel.cuda_template import translate
from pulsatile.engine.kernel.events import EventTable
from pulsatile.engine.kernel.layout import Build

THREADS = 64  # per block: a register file of 64 Ki holds 4 blocks of 255 registers a thread
MEMORY = 1 << 30  # bytes of input and output on the device per launch; results do not depend on it
INSTALL = "pip install 'pulsatile[gpu]'"


def missing() -> str | None:
    """Return, in words, what a run on a GPU lacks on this machine and what to do; None when nothing is missing."""
    if find_spec("numba_cuda") is None:
        return f"the package numba-cuda, which is not installed; {INSTALL}, or choose cpu"
    from numba import cuda

    if not cuda.is_available():
        return "an NVIDIA GPU with its driver, which this machine does not have; choose cpu"
    return None


def describe() -> str:
    """Return the class within which results are bit-equal: the GPU's architecture and the compiler's version."""
    from numba import cuda

    major, minor = cuda.get_current_device().compute_capability
    return f"cuda sm_{major}{minor} numba-cuda-{version('numba-cuda')}"


@cache
def kernel(build: Build) -> Any:
    """Return the GPU kernel for ``build`` (whose lanes are ignored), compiled on first launch."""
    with GENERATING:
        text = translate(source(build._replace(lanes=1)))
    return _jit.import_generated(text, "cuda").start


def per_launch(parameters: npt.NDArray[Any], begin: npt.NDArray[Any], tables: tuple[EventTable, ...], out: Any) -> int:
    """Return how many patients fit into `MEMORY`, in whole blocks of threads."""
    events = max(int(np.diff(table.ptr).max(initial=0)) for table in tables)
    rows = (parameters, begin, *out)
    each = sum(row.itemsize * prod(row.shape[1:]) for row in rows) + len(tables) * (events + 1) * 3 * 8
    return max(THREADS, int(MEMORY // each) // THREADS * THREADS)


def run(
    build: Build,
    parameters: npt.NDArray[Any],
    begin: npt.NDArray[Any],
    block: EventTable,
    doses: EventTable,
    times: npt.NDArray[Any],
    atol: npt.NDArray[Any],
    settings: Any,
    out: Any,
) -> None:
    """Integrate all patients on the GPU, in parts, and fill the arrays of ``out``.

    Arguments are those of `batch.integrate` after its checks: ``parameters`` (n, all), ``begin`` (n, columns of
    `checkpoint.columns`), ``atol`` of the active states, ``settings`` and ``out`` as named tuples of `batch`.
    """
    from numba import cuda

    start = kernel(build)
    n = len(parameters)
    size = per_launch(parameters, begin, (block, doses), out)
    shared = cuda.to_device(times), cuda.to_device(atol)
    for first in range(0, n, size):
        part = slice(first, min(first + size, n))
        index = np.arange(part.start, part.stop)
        tables = [EventTable(*(cuda.to_device(column) for column in t.subset(index))) for t in (block, doses)]
        buffers = type(out)(*(cuda.to_device(host[part]) for host in out))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Grid size")  # few patients are allowed
            launch = start[-(-len(index) // THREADS), THREADS]
        launch(cuda.to_device(parameters[part]), cuda.to_device(begin[part]), *tables, *shared, settings, buffers)
        for host, device in zip(out, buffers, strict=True):
            if host.size:
                device.copy_to_host(host[part])
