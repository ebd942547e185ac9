"""The update agent's process: network, no cameras, nothing that it could read a list with."""
