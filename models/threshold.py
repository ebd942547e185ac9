"""The similarity from which a van speaks of a possible match. Knows one figure and where it was measured; no list.

The van decides with it and whoever makes a list foretells false alerts with it: both must mean the same figure.
"""

SHIPPED_THRESHOLD = 0.46
"""Cosine of fused SFace templates, for a list of about 500. Four crowds of 100 LFW walkers each: 93 of 96 listed found,
1 false event. A list of another size needs another one: the calibration bundle will bind the two."""
