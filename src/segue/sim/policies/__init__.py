"""Policies: one rule a file, after a published server or paper, and rules that bound the reach of all others."""
