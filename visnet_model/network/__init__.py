"""The network: backbone, multi-scale fusion, semantic head, BN neck and classifier."""
