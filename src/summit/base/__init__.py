"""The ground floor: what every other room may use, and which imports no other room."""
