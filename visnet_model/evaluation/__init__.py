"""From a network to its accuracy: embeddings, rankings by the protocol, breakdowns, reports.

``distances`` is what all rankings read, ``ranking`` is the protocol (mAP, CMC, mINP),
``camera_pairs`` the same for each pair of cameras, and ``rerank`` k-reciprocal re-ranking. These
are NumPy only, and none needs a whole distance matrix. ``evaluate`` puts everything together.
"""
