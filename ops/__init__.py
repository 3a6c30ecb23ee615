"""For people: the local stack and the operators' command line."""
