"""The losses: smoothed cross-entropy, FIDI, and their weights."""
