"""Who the person is: a YOLO network, the choice among its instances, and stored masks."""
