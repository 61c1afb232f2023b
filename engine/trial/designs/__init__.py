"""What a trial adds to the simulation of every patient in every arm: who gets what, who leaves, what drifts."""
