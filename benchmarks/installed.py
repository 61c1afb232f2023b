"""Which peers this machine has, and how to get the others."""

import shutil
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

INSTALL = {
    "gcc": "apt install gcc", "numbalsoda": "pip install numbalsoda", "scipy": "pip install scipy",
    "heyoka": "pip install heyoka", "diffrax": 'pip install diffrax "jax[cpu]"',
    "roadrunner": "pip install libroadrunner", "sksundae": "pip install scikit-sundae",
}  # fmt: skip
OTHERS = {"diffrax": "jax_diffrax", "roadrunner": "roadrunner", "sksundae": "sundae"}
"""Peers with contenders of their own: what must be importable, and the module in `benchmarks.peers`."""


def missing() -> dict[str, str]:
    """Return the peers that are not installed, and the command that installs each."""
    return {
        name: how for name, how in INSTALL.items() if not (shutil.which("gcc") if name == "gcc" else find_spec(name))
    }


def other_modules() -> list[ModuleType]:
    """Return the modules of the peers in `OTHERS` that are installed; each has ``contenders()``."""
    absent = missing()
    names = [f"benchmarks.peers.{module}" for peer, module in OTHERS.items() if peer not in absent]
    return [import_module(name) for name in names if find_spec(name)]
