"""The cache of model states: entries, the tiers that hold their parts, and what moves between tiers."""
