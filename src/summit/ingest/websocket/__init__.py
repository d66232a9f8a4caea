"""Events over WebSockets: connections, their messages, acknowledgements."""
