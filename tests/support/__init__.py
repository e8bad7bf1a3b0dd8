"""Real servers, the real peer application and a runner for the command line."""
