"""What is done to a patient: the plan, one arm, virtual tests, canaries, long horizons."""
