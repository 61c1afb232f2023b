"""The compiled core: from the text of the equations to a SIMD loop over patients; knows no cohort, drug or protocol."""
