"""Generates what follows from the code in ``docs/``: settings, commands, columns, pictures.

It is not part of the installed packages. ``python -m docsite`` updates the pages; ``tests/docs``
fails if they are out of date.
"""
