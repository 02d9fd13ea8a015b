"""The processes that train together: they meet, compare what they have, watch each other and end together."""
