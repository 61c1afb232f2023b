"""Drugs, dose rules, named regimens, and their doses as events."""
