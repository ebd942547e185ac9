"""Commands about the vans of a fleet. Knows how to ask; the rules are in ota/repository."""
