"""Events over gRPC: calls and streams of our own service, and logs of OpenTelemetry."""
