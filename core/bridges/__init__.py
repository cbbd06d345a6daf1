"""The five published systems, one file each."""
