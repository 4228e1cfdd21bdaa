"""Endpoints about the server itself: health, models, properties, slots."""
