"""Runs the model's chat template in a sandbox, and observes it to learn where messages end."""
