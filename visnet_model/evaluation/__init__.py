"""How well embeddings find the same person again: ranking, its breakdown, and re-ranking.

``distances`` is what everything here ranks by, ``ranking`` is the protocol (mAP, CMC, mINP),
``camera_pairs`` the same for each pair of cameras, ``rerank`` the optional k-reciprocal
re-ranking. All of it is NumPy, and none needs a whole distance matrix.
"""
