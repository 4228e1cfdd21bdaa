"""`segue sim`: requests of real users replayed on the server's own tree, placement and retention, and on its peers' rules."""
