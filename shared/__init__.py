"""The core: the folder names are the modules of the plan."""
