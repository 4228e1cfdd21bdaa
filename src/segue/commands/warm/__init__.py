"""`segue warm`: has a server read prompts ahead."""
