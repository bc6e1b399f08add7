"""Pictures with one label each: from a floor and hand-made features to small networks and a pretrained backbone."""
