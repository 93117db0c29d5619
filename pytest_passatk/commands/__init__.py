"""The subcommands of `passatk`, one module each: NAME, HELP, DESCRIPTION, add_arguments and run."""
