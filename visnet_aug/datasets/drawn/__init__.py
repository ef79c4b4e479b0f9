"""Synthetic pedestrian crops for the demo, tests, scale tests and training data."""

from visnet_aug.datasets.drawn.dataset import DrawnSummary, draw_dataset
from visnet_aug.datasets.drawn.sample import DrawnSample, draw_sample

__all__ = ["DrawnSample", "DrawnSummary", "draw_dataset", "draw_sample"]
