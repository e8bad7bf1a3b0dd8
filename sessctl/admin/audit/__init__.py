"""`audit`: security findings on a store's sessions and settings.

A check is one function beside its rule, in the module of what it looks at: `sessions` and
`contents` (one session), `crowds` (all of them), `configuration` (a backend's settings), `store`
(what an engine tells). It adds itself to its module's list, and nothing else has to know it.
"""

from sessctl.admin.audit.finding import Finding, Severity, Skipped
from sessctl.admin.audit.run import Audit, audit
from sessctl.admin.audit.settings import Settings

__all__ = ["Audit", "Finding", "Settings", "Severity", "Skipped", "audit"]
