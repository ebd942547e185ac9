"""Commands about what is proposed, signed and published. Knows how to ask; the rules are in ota/repository."""
