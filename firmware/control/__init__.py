"""The control room's side: believe a van, command it, give receipts. Knows topics and keys; not the van's code."""
