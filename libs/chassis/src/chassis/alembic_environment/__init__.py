"""Where Alembic looks for `env.py`; see `chassis.migrations`."""
