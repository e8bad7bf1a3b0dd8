"use strict";
// connect-memcached as an Express application opens it; `config` as in `tests/peers/express/app.js`.

const session = require("express-session");
const { defined } = require("../express/stores.js");

function memcachedStore({ hosts, prefix, ttl, storeSecret: secret }) {
  const MemcachedStore = require("connect-memcached")(session);
  return new MemcachedStore(defined({ hosts, prefix, ttl, secret }));
}

module.exports = { memcached: memcachedStore };
