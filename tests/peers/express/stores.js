"use strict";
// The session stores that the peer's applications can be started on; `config` as in `app.js`.

const fs = require("node:fs");
const session = require("express-session");

function defined(object) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

async function redisStore(config) {
  const { createClient } = require("redis");
  const { RedisStore } = require("connect-redis");
  const socket = config.redisCa ? { tls: true, ca: fs.readFileSync(config.redisCa) } : undefined;
  // No offline queue: a dead server must be an error now, not a request that hangs.
  const client = createClient(defined({ url: config.redisUrl, socket, disableOfflineQueue: true }));
  client.on("error", (error) => console.error(`redis: ${error.message}`));
  await client.connect();
  const { prefix, disableTTL, disableTouch } = config;
  // JSON holds no function: `ttlAlways` stands for connect-redis' `ttl: () => seconds`.
  const ttl = config.ttlAlways === undefined ? config.ttl : () => config.ttlAlways;
  return new RedisStore(defined({ client, prefix, ttl, disableTTL, disableTouch }));
}

function sqliteStore(config) {
  const SQLiteStore = require("connect-sqlite3")(session);
  const { dir, db, table, concurrentDb } = config;
  const store = new SQLiteStore(defined({ dir, db, table, concurrentDb }));
  return new Promise((resolve) => store.client.once("connect", () => resolve(store)));
}

// Neither SQL store deletes by a timer here: what is over has to stay for sessctl to find.
function postgresStore(config) {
  const PGStore = require("connect-pg-simple")(session);
  const { pgUrl, pgCa, schemaName, table: tableName, ttl, disableTouch } = config;
  const conObject = defined({ connectionString: pgUrl, ssl: authority(pgCa) });
  const rest = { createTableIfMissing: true, pruneSessionInterval: false };
  return new PGStore(defined({ conObject, schemaName, tableName, ttl, disableTouch, ...rest }));
}

async function mysqlStore(config) {
  const MySQLStore = require("express-mysql-session")(session);
  const { mysqlUrl, mysqlCa, table: tableName, columnNames, expiration, disableTouch } = config;
  const { hostname: host, port, username, password, pathname } = new URL(mysqlUrl);
  const [user, secret, database] = [username, password, pathname.slice(1)].map(decodeURIComponent);
  const where = { host, port: Number(port || 3306), user, password: secret, database };
  const options = { expiration, disableTouch, clearExpired: false };
  options.schema = defined({ tableName, columnNames });
  // Its own pool takes no certificate: who wants TLS hands over one that does.
  const pool = mysqlCa && require("mysql2/promise").createPool({ ...where, ssl: authority(mysqlCa) });
  const store = new MySQLStore(defined({ ...(pool ? {} : where), ...options }), pool);
  await store.onReady();
  return store;
}

function authority(file) {
  return file === undefined ? undefined : { ca: fs.readFileSync(file, "utf8") };
}

const STORES = {
  memory: () => new session.MemoryStore(),
  redis: redisStore,
  sqlite3: sqliteStore,
  pg: postgresStore,
  mysql: mysqlStore,
};

// Stores whose packages are a peer of their own export the same kind of table from its `stores.js`.
async function openStore(config) {
  const table = config.peer === "express" ? STORES : require(`../${config.peer}/stores.js`);
  return table[config.store](config);
}

module.exports = { defined, openStore };
