"""Producer, consumer and admin over librdkafka: how every room reaches a Kafka-protocol broker."""
