"""Pedestrians that the program draws itself, for the demo, tests and the segmenter's training."""

from visnet_aug.datasets.drawn.sample import DrawnSample, draw_sample

__all__ = ["DrawnSample", "draw_sample"]
