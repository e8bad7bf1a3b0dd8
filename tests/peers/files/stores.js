"use strict";
// session-file-store; `config` as in `tests/peers/express/app.js`, and of it:
//   dir                        the directory, which is there
//   ttl (s), fileExtension, storeSecret, crypto ({...}): the options of the library

const session = require("express-session");

const defined = (object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

function fileStore(config) {
  const FileStore = require("session-file-store")(session);
  const { dir: path, ttl, fileExtension, storeSecret: secret, crypto } = config;
  // It reaps by a timer, which would take what sessctl is to find.
  const rest = { reapInterval: -1, logFn: () => {} };
  return new FileStore(defined({ path, ttl, fileExtension, secret, crypto, ...rest }));
}

module.exports = { files: fileStore };
