"""Layouts of the stores for express-session that go through a query builder or a mapper of SQL.

Source: connect-session-knex 5.0.0 `dist/utils.js` (2.1.1 writes the same),
connect-session-sequelize 8.0.6 and 7.1.7 `lib/model.js` with sequelize 6.37,
better-sqlite3-session-store 0.1.0 `src/index.js`, connect-typeorm 2.0.0
`out/app/TypeormStore/TypeormStore.js`, and @quixo3/prisma-session-store 3.1.21 with Prisma 7.10;
all tried on SQLite, PostgreSQL and MariaDB.

Not supported: MSSQL and Oracle, which knex and TypeORM also know; an `entity` of TypeORM or a model
of Sequelize may name its columns as it likes, which the backend's `columns` then says.
"""

from __future__ import annotations

from sessctl.stores.layouts.base import DateForm, Fill, TableLayout, Unit
from sessctl.stores.layouts.express import EXPRESS

_EVERYWHERE = ("sqlite", "postgresql", "mysql")

BETTER_SQLITE3 = TableLayout(
    name="better-sqlite3-session-store",
    databases=("sqlite",),
    table="sessions",
    sid="sid",
    data="sess",
    expires="expire",
    unit=Unit.TIMESTAMP,
    **EXPRESS,
)

CONNECT_SESSION_KNEX = TableLayout(
    name="connect-session-knex",
    databases=_EVERYWHERE,
    table="sessions",
    sid="sid",
    data="sess",
    expires="expired",
    unit=Unit.TIMESTAMP,
    # MySQL gets the digits of UTC. PostgreSQL gets an instant, of which a column without zone,
    # which the library would not make, keeps the wall clock of the connection.
    expires_zone={"mysql": "UTC", "postgresql": "server"},
    **EXPRESS,
)

CONNECT_SESSION_SEQUELIZE = TableLayout(
    name="connect-session-sequelize",
    databases=_EVERYWHERE,
    table="Sessions",
    sid="sid",
    data="data",
    expires="expires",
    unit=Unit.TIMESTAMP,
    date_forms=(DateForm.SPACED,),
    expires_zone="UTC",  # unless Sequelize's `timezone` says otherwise
    null_is_never=True,
    fills={"createdAt": Fill.NOW, "updatedAt": Fill.NOW},
    **EXPRESS,
)

CONNECT_TYPEORM = TableLayout(
    name="connect-typeorm",
    databases=_EVERYWHERE,
    table="session",
    sid="id",
    data="json",
    expires="expiredAt",
    unit=Unit.MILLISECONDS,
    destroyed="destroyedAt",
    **EXPRESS,
)

# `id` is a cuid of the store's own, or the session id with `dbRecordIdIsSessionId`, as here. Before
# version 7 Prisma wrote ms into SQLite's DATETIME.
PRISMA_SESSION_STORE = TableLayout(
    name="prisma-session-store",
    databases=_EVERYWHERE,
    table="Session",
    sid="sid",
    data="data",
    expires="expiresAt",
    unit=Unit.TIMESTAMP,
    date_forms=(DateForm.ISO_OFFSET, DateForm.MILLISECONDS),
    expires_zone="UTC",
    fills={"id": Fill.SID},
    **EXPRESS,
)
