"""The command lines: a module or a folder for each command."""
