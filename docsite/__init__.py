"""Writes what of ``docs/`` follows from the code: settings, commands, columns, pictures.

It is no part of the installed packages. ``python -m docsite`` brings the pages up to date,
``tests/docs`` fails where they are not.
"""
