"""From a manifest to a trained network: the loop, its log, its checkpoints, its curves."""
