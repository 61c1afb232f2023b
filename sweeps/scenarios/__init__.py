"""Sweeps of whole studies: scenarios, the runs they share, one folder, one dataset."""
