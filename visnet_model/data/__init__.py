"""From the manifest to batches: tables, images in memory or files, PK batches, augmentation."""
