"""`segue sim`: the command lines of the simulator."""
