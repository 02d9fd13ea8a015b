"""Augmentation of whole batches on the device that trains.

The parts, their order and distributions are those of :mod:`brats3d.transforms.augmentation`; the
samples differ, since other generators draw them. What is drawn for a sample, its noise included, is a
function of the sample's seed alone, and each sample is computed by itself: neither the batch it is in
nor the process that makes it changes a voxel. No result is read back from the device.
"""
