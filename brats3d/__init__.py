"""Brain-tumour segmentation on four-modality MRI."""

__version__ = "0.1.0"
