"""Listens to running jobs, and sends their events in a response format."""
