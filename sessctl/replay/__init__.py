"""Scripts of requests: their format, and what a run of one shows about an app's sessions."""
