"""One's own operators: graphs of them, compiled into tasks; batches in, batches out. Sans-I/O."""
