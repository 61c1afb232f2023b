"""The packages of the wheel: the folders of the checkout, each under the one name that is installed.

`pyproject.toml` maps ``engine`` to ``pulsatile.engine``, ``sweeps`` to ``pulsatile.sweeps`` and ``examples``, which
holds studies and no modules, to ``pulsatile.examples``; the rooms inside are listed here, by what lies on disk, so
that a new folder needs no row.
"""

from setuptools import find_packages, setup

rooms = find_packages(include=["engine", "engine.*", "sweeps", "sweeps.*"])
setup(packages=["pulsatile", "pulsatile.cli", "pulsatile.examples", *(f"pulsatile.{room}" for room in rooms)])
