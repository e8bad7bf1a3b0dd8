"""Places where sessions live: engines know commands, layouts know frameworks."""
