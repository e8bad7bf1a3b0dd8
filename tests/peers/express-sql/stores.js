"use strict";
// Stores on query builders and mappers of SQL; `config` as in `../express/app.js`, its keys:
//   sqlite (file), pgUrl or mysqlUrl   where the sessions are; the first that is given
//   table, sid                         names, where the library lets one choose
//   timezone, userColumn               of Sequelize; timestampFormat, recordIsSession: of Prisma
// No store deletes by a timer here: what is over has to stay for sessctl to find.

const session = require("express-session");
const { defined } = require("../express/stores.js");
const { prismaClient } = require("./prisma.js");

// By where the sessions are: {sqlite, postgresql, mysql}.
function choose(config, choices) {
  const database = config.sqlite ? "sqlite" : config.pgUrl ? "postgresql" : "mysql";
  return choices[database]();
}

function betterSqlite({ sqlite }) {
  const client = new (require("better-sqlite3"))(sqlite);
  const SqliteStore = require("better-sqlite3-session-store")(session);
  // It cannot be told not to clean up, only when: after 24 days.
  return new SqliteStore({ client, expired: { intervalMs: 2 ** 31 - 1 } });
}

async function knexStore(config) {
  const { ConnectSessionKnexStore } = require("connect-session-knex");
  const knex = require("knex")({
    useNullAsDefault: true,
    ...choose(config, {
      sqlite: () => ({ client: "better-sqlite3", connection: { filename: config.sqlite } }),
      postgresql: () => ({ client: "pg", connection: config.pgUrl }),
      mysql: () => ({ client: "mysql2", connection: config.mysqlUrl }),
    }),
  });
  const { table: tableName, sid: sidFieldName } = config;
  const store = new ConnectSessionKnexStore(
    defined({ knex, tableName, sidFieldName, cleanupInterval: 0 }),
  );
  await store.ready;
  return store;
}

async function sequelizeStore(config) {
  const { Sequelize, DataTypes } = require("sequelize");
  const SequelizeStore = require("connect-session-sequelize")(session.Store);
  const options = defined({ logging: false, timezone: config.timezone });
  const db = choose(config, {
    sqlite: () =>
      new Sequelize({ ...options, dialect: "sqlite", dialectModule: require("sqlite3"), storage: config.sqlite }),
    postgresql: () => new Sequelize(config.pgUrl, options),
    mysql: () => new Sequelize(config.mysqlUrl, options),
  });
  const own = config.userColumn && {
    table: "Own",
    extendDefaultFields: (defaults, data) => ({ ...defaults, userId: data.passport?.user ?? null }),
  };
  if (own) {
    db.define("Own", {
      sid: { type: DataTypes.STRING, primaryKey: true },
      userId: DataTypes.STRING,
      expires: DataTypes.DATE,
      data: DataTypes.TEXT,
    });
  }
  const store = new SequelizeStore(
    defined({ db, tableName: config.table, checkExpirationInterval: -1, ...own }),
  );
  await db.sync();
  return store;
}

// TypeORM's own types of a date on each database.
const DATES = { sqlite: () => "datetime", postgresql: () => "timestamp", mysql: () => "datetime" };

async function typeormStore(config) {
  const { DataSource, EntitySchema } = require("typeorm");
  const { TypeormStore } = require("connect-typeorm");
  // As its readme has it, without decorators.
  const Session = new EntitySchema({
    name: "Session",
    tableName: config.table,
    columns: {
      expiredAt: { type: "bigint" },
      id: { type: "varchar", length: 255, primary: true },
      json: { type: "text" },
      destroyedAt: { type: choose(config, DATES), deleteDate: true, nullable: true },
    },
    indices: [{ columns: ["expiredAt"] }],
  });
  const where = choose(config, {
    sqlite: () => ({ type: "better-sqlite3", database: config.sqlite }),
    postgresql: () => ({ type: "postgres", url: config.pgUrl }),
    mysql: () => ({ type: "mysql", url: config.mysqlUrl }),
  });
  const source = new DataSource({ ...where, entities: [Session], synchronize: true });
  await source.initialize();
  const store = new TypeormStore({ cleanupLimit: config.cleanupLimit ?? 0 });
  return store.connect(source.getRepository(Session));
}

async function prismaStore(config) {
  const { PrismaSessionStore } = require("@quixo3/prisma-session-store");
  const [provider, adapter] = choose(config, {
    sqlite: () => {
      const { PrismaBetterSqlite3 } = require("@prisma/adapter-better-sqlite3");
      const { timestampFormat } = config; // "unixepoch-ms" is what Prisma wrote before version 7
      return ["sqlite", new PrismaBetterSqlite3({ url: config.sqlite }, defined({ timestampFormat }))];
    },
    postgresql: () => {
      const { PrismaPg } = require("@prisma/adapter-pg");
      return ["postgresql", new PrismaPg({ connectionString: config.pgUrl })];
    },
    mysql: () => {
      const { PrismaMariaDb } = require("@prisma/adapter-mariadb");
      return ["mysql", new PrismaMariaDb(config.mysqlUrl)];
    },
  });
  return new PrismaSessionStore(await prismaClient(provider, adapter), {
    dbRecordIdIsSessionId: config.recordIsSession,
  });
}

module.exports = {
  "better-sqlite3": betterSqlite,
  knex: knexStore,
  sequelize: sequelizeStore,
  typeorm: typeormStore,
  prisma: prismaStore,
};
