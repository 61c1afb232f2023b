"""Who computes: threads, processes, a Dask cluster, SLURM jobs; and what to do when one dies."""
