"""What VisNet learns from: identity, fine-grained difference, semantics, and their weights."""
