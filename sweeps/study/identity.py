"""Identity of a run: hash of its study and of the engine's sources, and the platform class of bit equality."""

import hashlib
import json
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


@cache
def platform_class(device: str = "cpu") -> str:
    """Return the class of machines with bit-equal results: instruction set, numba and LLVM; or kind of GPU."""
    if device == "cuda":
        from pulsatile.engine.kernel.cuda import describe

        return describe()
    import llvmlite.binding as llvm
    import numba

    features = llvm.get_host_cpu_features()
    widest = next((name for name in ("avx512f", "avx2", "avx", "sve", "neon") if features.get(name)), "baseline")
    release = ".".join(map(str, llvm.llvm_version_info))
    return f"{platform.machine()} {widest} numba-{numba.__version__} llvm-{release}"


def canonical(data: Any) -> str:
    """Return JSON with sorted keys and no spaces; equal data give equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def identity(science: dict[str, Any]) -> str:
    """Return the SHA-256 of everything that decides a run's numbers, and of the engine's sources.

    >>> identity({"seed": 1}) == identity({"seed": 1}) != identity({"seed": 2})
    True
    """
    return hashlib.sha256(canonical({"engine": engine_hash(), "study": science}).encode()).hexdigest()
