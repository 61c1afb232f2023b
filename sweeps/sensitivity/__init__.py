"""Sensitivity analysis: designs, indices with intervals, missing runs, scenarios; independent of the simulator.

    from pulsatile.sweeps.sensitivity.factors import Factor, Group
    from pulsatile.sweeps.sensitivity.saltelli import saltelli
    from pulsatile.sweeps.sensitivity.indices import indices

The caller runs the points of a design and returns the outputs in the order of the points.
Marks of numbers: READ = read in the named source, DERIVED = computed from such numbers, RECALLED = from memory.
"""
