"""The six families of background rewriting (paper section II-G) and the composite (eq. 21)."""
