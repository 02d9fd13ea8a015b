"""The routes, one file for each noun; each makes its router from what it serves."""
