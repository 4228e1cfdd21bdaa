"""The disk tier: entries are written behind the host tier, and fetched back into it."""
