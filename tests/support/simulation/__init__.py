"""A deterministic simulation of restarts: real logic, virtual time, and everything that can go wrong in between."""
