"""Which checkpoints exist, where to take them and which to keep: pure logic on token ids, imports nothing of Segue."""
