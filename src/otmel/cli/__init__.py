"""The command line: one file per verb, over what the package offers to Python."""
