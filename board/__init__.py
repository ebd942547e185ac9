"""All that knows this is a Jetson in a van, and its host stand-in. Imports nothing else of the project."""
