"""The command lines: one file each, with a click command and the console script's ``main``."""
