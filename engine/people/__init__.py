"""People of a survey: margins, correlations, and the draw of covariates; knows no kernel."""
