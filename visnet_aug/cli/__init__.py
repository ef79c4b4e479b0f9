"""``visnet-aug``: parse, make a recipe, call one function, turn errors into exit codes.

Only click is imported at the top of these files: help must come at once, and a command imports what
it needs.
"""
