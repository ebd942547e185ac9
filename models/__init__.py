"""What the networks are and how to run them: manifest, rebuild, runners, detector, alignment, embedder.

Takes arrays and gives :mod:`models.faces`; knows no camera, no van, no list and no policy.
"""
