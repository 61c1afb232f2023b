"""Who of the candidates enters a study: criteria at screening, and strata with exact numbers."""
