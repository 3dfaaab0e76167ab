"""Billing: which plan each group has, and what the plan carries."""
