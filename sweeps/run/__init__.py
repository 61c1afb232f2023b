"""A run from begin to end: start, resume, expand, verify, heal, compare, status."""
