"""Files as a source: finding, recognising, reading lines, writing each event once."""
