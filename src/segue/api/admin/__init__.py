"""What the server says of itself, and what its operator can have done to a slot."""
