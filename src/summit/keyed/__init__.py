"""Rules over keyed events: whom an event concerns, in what order, in whose key group. Pure."""
