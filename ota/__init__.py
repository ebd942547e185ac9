"""Updates over the air: the device agent and the fleet admin's side. README.md: who is trusted with what."""
