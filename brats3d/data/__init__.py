"""Data sets: finding cases, splitting them by patient, phantoms, and the prepared store.

Nothing is imported here, so that finding cases does not load torch.
"""
