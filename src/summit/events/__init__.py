"""Events: their fields, conditions and expressions, time windows and text formats. Sans-I/O."""
