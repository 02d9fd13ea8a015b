"""Bundles read for prediction: those of this package and of MONAI's model zoo as data, others on trust."""
