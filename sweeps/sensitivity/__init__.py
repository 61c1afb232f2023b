"""Which factors matter: designs, indices with intervals, missing runs, scenarios; knows nothing of the simulator.

    from pulsatile.sweeps.sensitivity.factors import Factor, Group
    from pulsatile.sweeps.sensitivity.saltelli import saltelli
    from pulsatile.sweeps.sensitivity.indices import indices

Design points in, numbers out: whoever runs the points hands the outputs back in the order of the points.
Marks of figures: READ = seen in the source named, DERIVED = worked out from such, RECALLED = from memory of the source.
"""
