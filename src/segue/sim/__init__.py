"""`segue sim`: replays real requests on the server's own tree and policies, and on other servers' rules."""
