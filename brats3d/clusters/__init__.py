"""Jobs on compute clusters: scripts that a person can read and edit."""
