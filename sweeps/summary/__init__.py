"""Endpoints, paired contrasts, events and weights of a finished dataset, and the table of them."""
