"""Segmentation without training: clustering, thresholds and active contours."""
