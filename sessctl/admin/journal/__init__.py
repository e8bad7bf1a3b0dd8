"""The journal: the file from which a purge can be undone.

One line an event, `crc32 SP json LF`, ASCII only, appended and fsynced page by page *before* the
page is deleted. Kinds: `head`, `page` (the sessions as they were), `done` (what became of them),
`note`, `end`. Every line carries the digest of the line before it, so that a missing or swapped
line is noticed. A last line that is torn is ignored: its delete never began.

It holds live credentials: folder 0700, file 0600, never followed through a link.
"""

from sessctl.admin.journal.head import check_same_store, head_for
from sessctl.admin.journal.line import FORMAT
from sessctl.admin.journal.reader import Journal, Page, list_journals, open_journal
from sessctl.admin.journal.sessions import Keep
from sessctl.admin.journal.space import check_room
from sessctl.admin.journal.writer import SUFFIX, JournalWriter

__all__ = [
    "FORMAT",
    "SUFFIX",
    "Journal",
    "JournalWriter",
    "Keep",
    "Page",
    "check_room",
    "check_same_store",
    "head_for",
    "list_journals",
    "open_journal",
]
