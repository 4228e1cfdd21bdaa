"""`segue warm`: have a server read prompts before anybody waits for them."""
