"""What `sessctl replay FILE` is made of on the command line's side."""
