"""The classic consumer-group protocol: a pure state machine, and the timers and disk around it."""
