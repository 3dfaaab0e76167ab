"""Kafka, PostgreSQL and the services as child processes of one command: nothing but Python is needed to run them."""
