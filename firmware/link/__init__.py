"""The van's side of the network: takes possible matches from ``match``, holds them durably and publishes them."""
