"""Policies: one rule a file, each after a published server or paper, and those that bound what any rule can reach."""
