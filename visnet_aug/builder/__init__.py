"""From dataset and recipe to files: plan, render, write."""
