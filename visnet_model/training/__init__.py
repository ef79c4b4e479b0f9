"""From a manifest to a trained network: the loop, its log, its checkpoints and its curves."""
