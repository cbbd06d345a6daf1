"""The kernel: the loop that plays stages and phases."""
