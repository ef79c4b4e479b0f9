"""How the bundled person segmenter is trained: data, composites, loss, loop, judging."""
