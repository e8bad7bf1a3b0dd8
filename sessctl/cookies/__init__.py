"""Cookie values: what is signed, with which MAC, and what they carry; a module per family."""
