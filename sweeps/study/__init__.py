"""The study file: its schema, its errors, and the study resolved to plain data with an identity."""
