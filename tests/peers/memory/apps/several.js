"use strict";
// Four stores in one process: two apps on ports of their own with the same cookie, one with two
// session middlewares. The last port is printed.

const session = require("express-session");
const { options, untilStdinEnds, useRoutes } = require("./app.js");

const memorystore = () => new (require("memorystore")(session))({});

function listen(app) {
  return new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(server.address().port));
  });
}

async function main() {
  const ports = [];
  for (const [module, stores] of [
    ["express", { "connect.sid": new session.MemoryStore() }],
    ["express4", { "connect.sid": memorystore() }],
    ["express", { "shop.sid": new session.MemoryStore(), "admin.sid": memorystore() }],
  ]) {
    const app = require(module)();
    for (const [name, store] of Object.entries(stores)) {
      app.use(name === "admin.sid" ? "/admin" : "/", session(options(store, name)));
    }
    ports.push(await listen(useRoutes(app)));
  }
  console.log(JSON.stringify({ port: ports[2], ports }));
}

main();
untilStdinEnds();
