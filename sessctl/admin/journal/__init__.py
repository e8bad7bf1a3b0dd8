"""The journal: the file from which a purge can be undone.

One line an event, `crc32 SP json LF`, ASCII only, appended and fsynced page by page *before* the
page is deleted or changed. Kinds: `head`, `page` (the sessions as they were; `changes` says that
they are about to be written over), `done` (what became of them; `left` holds the digests of what
our own writes left), `note`, `end`. Every line carries the digest of the line before it, so that a
missing or swapped line is noticed. A last line that is torn is ignored: its write never began.

It holds live credentials: folder 0700, file 0600, never written through a link. A run holds a lock
on its file: two runs never write one journal, and none is removed while it is written. With a key
every line is encrypted (`sealing`).
"""

from sessctl.admin.journal.folder import Old, list_journals, old_journals, remove_journals
from sessctl.admin.journal.head import check_same_store, head_for
from sessctl.admin.journal.line import FORMAT, SUFFIX
from sessctl.admin.journal.reader import Journal, Page, Summary, open_journal
from sessctl.admin.journal.resume import query_to_resume, reopen
from sessctl.admin.journal.sealing import JournalKey
from sessctl.admin.journal.sessions import Keep, digest_of, digests_of
from sessctl.admin.journal.space import check_room
from sessctl.admin.journal.writer import JournalWriter

__all__ = [
    "FORMAT",
    "SUFFIX",
    "Journal",
    "JournalKey",
    "JournalWriter",
    "Keep",
    "Old",
    "Page",
    "Summary",
    "check_room",
    "check_same_store",
    "digest_of",
    "digests_of",
    "head_for",
    "list_journals",
    "old_journals",
    "open_journal",
    "query_to_resume",
    "remove_journals",
    "reopen",
]
