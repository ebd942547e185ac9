"""Commands about keys and who signs. Knows how to ask; the rules are in ota/repository."""
