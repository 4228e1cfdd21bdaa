"""`segue cache`: lists, verifies, pins and removes the checkpoints of a cache directory."""
