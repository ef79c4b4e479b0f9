"""VisNet: a person re-identification network, its losses, training and evaluation."""
