"""The typed HTTP client of `/v1`, asynchronous and synchronous."""
