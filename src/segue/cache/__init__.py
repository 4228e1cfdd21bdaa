"""The cache of model states: entries, the tiers that hold their parts, and the movement between tiers."""
