"""`summit doctor`: what is looked at, and what to do about what was found."""
