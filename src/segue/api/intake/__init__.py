"""Turns a request's body into jobs: checks its fields, reads its prompts and constraints, plans the generation."""
