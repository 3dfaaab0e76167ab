"""Restart attempts: the saga from a person's request to a verdict with its evidence."""
