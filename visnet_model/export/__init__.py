"""VisNet for others: the inference network as a file, and embeddings as arrays."""
