"""The fleet's side of TUF: roles, drafts, signatures, publishing. Knows public formats and keys; no list's content."""
