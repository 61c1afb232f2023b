"""The entries of a study file that say how the trial is run: who gets what, who leaves, what is measured."""
