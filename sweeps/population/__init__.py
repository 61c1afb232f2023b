"""Virtual populations: built, judged plausible, weighted to published margins, compared, sealed."""
