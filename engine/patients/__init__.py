"""Virtual patients: parameters, layers of variability, pulses and meals, fasting state, run-in."""
