"""Cookie values: what is signed, with which MAC, and what they carry. One module per library family."""
