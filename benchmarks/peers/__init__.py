"""Other integrators of the same equations."""
