"""What is measured, and how: every number in the documentation comes from a script here."""
