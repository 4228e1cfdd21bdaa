"""`segue sim`: real requests replayed on the server's own tree, placement and retention, and on its peers' rules."""
