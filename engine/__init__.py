"""One model, many patients: equations, parameters, dosing, cohorts, the compiled kernel.  No files, no cluster."""
