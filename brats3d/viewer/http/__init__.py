"""The web server of the page: routes, and what every request and answer must keep to."""
