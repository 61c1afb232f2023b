"""One chunk of patients: what is computed, and the task that a worker runs."""
