"""nnU-Net v2 as it is, driven without a data set of its own."""
