"""The van's side of the network: carries sealed messages between the match process and the broker, and keeps none."""
