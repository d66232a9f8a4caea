"""Events that are subscribed to at an MQTT broker: connection, payloads, topics."""
