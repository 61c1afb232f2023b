"""Sensitivity of finished runs: of designs, of populations, and the variance budget."""
