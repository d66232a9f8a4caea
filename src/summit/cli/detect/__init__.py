"""`summit detect`: rules over files, once."""
