"""Something to try sessctl on without any service: a made-up shop's sessions, and a tour."""
