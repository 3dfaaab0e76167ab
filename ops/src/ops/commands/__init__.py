"""The subcommands of `comeback`, one module each."""
