"""What a project's own files say about its sessions; they are read, nothing of them is run.

One module for each kind of evidence, and a finder in each: `find(project, evidence)`. Another kind
is one more module and one more line in `FINDERS`. What is done with all of it: `propose.py`.
"""
