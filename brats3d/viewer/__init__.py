"""The web page: what is dropped on it is segmented by a model and shown."""
