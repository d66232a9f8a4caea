"""Running graphs of operators: a member of a group, its tasks, exactly once."""
