"""Backgrounds tried on any pictures, before anything is built."""
