"""From the manifest to batches: tables, images in memory or in files, PK batches, augmentation."""
