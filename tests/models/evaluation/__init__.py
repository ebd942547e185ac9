"""Evaluations of made templates whose rates can be computed by hand, and of a few photographs."""
