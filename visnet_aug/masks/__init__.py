"""Who the person is: YOLOv8-Seg, the choice among its instances, and stored masks."""
