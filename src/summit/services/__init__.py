"""The two services, the processes that run them, and the supervisor of `summit up`."""
