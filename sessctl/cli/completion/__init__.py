"""What Tab offers. Each shell's script asks `sessctl __complete`, which loads neither typer nor a
command: `words.json` has their options, and tests keep it true.

    sessctl __complete SHELL +CURRENT WORD...

CURRENT is the word at the cursor without its quotes, WORD what stands before it. Bash does not tell
its words as people see them: for it CURRENT is its own idea of the word, and WORD the whole line.
The first line of the answer is a `Kind`, each further one is a word, a tab and what it means.
"""
