"""VisNet for use elsewhere: the inference network as a file, and embeddings of images."""
