"""A run's folder: stores, journal, commit records, lock."""
