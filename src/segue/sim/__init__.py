"""`segue sim`: replays real requests on the server's own tree, placement and retention, and on other servers' rules."""
