"""Drugs, dose rules, preset regimens, and dose events."""
