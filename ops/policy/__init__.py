"""A tenant's policy as a YAML document: check it, see what it would do, publish it, see what holds."""
