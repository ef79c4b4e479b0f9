"""Whole experiments as YAML, and the training of the bundled segmenter."""
