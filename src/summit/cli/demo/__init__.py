"""`summit demo`: realistic traffic with planted attacks among decoys, and the proof of the find."""
