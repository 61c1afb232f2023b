"""Identity of a run: hash of its study and of the engine's sources, and the platform class of bit equality."""

import hashlib
import json
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

from pulsatile import engine

ENGINE = Path(engine.__file__).resolve().parent


@cache
def engine_hash() -> str:
    """Return the SHA-256 of all engine sources: model, tables and kernel."""
    digest = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*.py")):
        digest.update(path.relative_to(ENGINE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def engine_files() -> dict[str, str]:
    """Return the SHA-256 of each engine source, so that a change can be named."""
    return {
        path.relative_to(ENGINE.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(ENGINE.rglob("*.py"))
    }


_IN_THE_TARGET = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT")
_OTHER_SETTINGS = ("NUMBA_", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "OPENBLAS_CORETYPE", "MKL_CBWR")
_HARMLESS = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_PERFORMANCE_WARNINGS", "NUMBA_THREADING_LAYER")


@cache
def platform_class(device: str = "cpu") -> str:
    """Return the class of machines with bit-equal results, or the kind of GPU.

    It names what decides bits: instruction set and optimisation level that numba compiles for (the target's, which may
    be less than the processor's), instruction set of numpy's functions, versions of numba and LLVM, and any other
    setting of theirs in the environment.
    """
    if device == "cuda":
        from pulsatile.engine.kernel.cuda import describe

        return describe()
    import llvmlite.binding as llvm
    import numba
    from numba.core.registry import cpu_target

    target = {name[1:] for name in cpu_target.target_context.codegen().magic_tuple()[2].split(",") if name[:1] == "+"}
    widest = next((name for name in ("avx512f", "avx2", "avx", "sve", "neon") if name in target), "baseline")
    fused = "+fma" if target & {"fma", "neon", "sve"} else ""
    release = ".".join(map(str, llvm.llvm_version_info))
    target_class = (
        f"{platform.machine()} {widest}{fused} O{int(numba.config.OPT)} {_numpy_class()} numba-{numba.__version__} "
        f"llvm-{release}"
    )
    others = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith(_OTHER_SETTINGS) and name not in (*_IN_THE_TARGET, *_HARMLESS)
    ]
    return " ".join([target_class, *others])


def _numpy_class() -> str:
    """Return the widest instruction set for which numpy's functions are compiled and not switched off."""
    import numpy as np

    found = set(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ()))
    if found & {"X86_V4", "AVX512_SKX"}:
        return "numpy-avx512"
    if "X86_V3" in found or {"AVX2", "FMA3"} <= found:
        return "numpy-avx2"
    return "numpy-baseline"


def canonical(data: Any) -> str:
    """Return JSON with sorted keys and no spaces; equal data give equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def identity(science: dict[str, Any]) -> str:
    """Return the SHA-256 of everything that decides a run's numbers, and of the engine's sources.

    >>> identity({"seed": 1}) == identity({"seed": 1}) != identity({"seed": 2})
    True
    """
    return hashlib.sha256(canonical({"engine": engine_hash(), "study": science}).encode()).hexdigest()
