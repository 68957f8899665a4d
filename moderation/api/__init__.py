"""The HTTP API: requests in, documents out. Decides nothing; the services behind it are the same for every caller."""
