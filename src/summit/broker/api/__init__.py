"""One file per API of the Kafka protocol: key, versions, behaviour, deviations."""
