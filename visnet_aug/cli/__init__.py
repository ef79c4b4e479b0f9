"""``visnet-aug``: parse, make a recipe, call one function, turn errors into exit codes.

At the top of these files click is imported, each other, and what is as light (errors, the names of
layouts): help must come at once, and a command imports what it needs.
"""
