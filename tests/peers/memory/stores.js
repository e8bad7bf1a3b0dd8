"use strict";
// Stores in the memory of the process; `config` as in `tests/support/memory_app.py`. What only the
// process itself can see, the tests ask for on its stdin: a JSON line in, a JSON line out.

const readline = require("node:readline");
const session = require("express-session");

// The sessions as they lie there, without the stores' own methods, which delete what is over.
const CONTAINERS = {
  memory: (store) => ({
    all: () => Object.entries(store.sessions).map(([sid, text]) => [sid, text, null]),
    save: (sid, text) => void (store.sessions[sid] = text),
    drop: (sid) => void delete store.sessions[sid],
    clear: () => store.clear(),
  }),
  memorystore: ({ store: lru }) => ({
    // Youngest first, as the cache has them.
    all: () => lru.dumpLru().toArray().map(({ key, value, now, maxAge }) => [key, value, maxAge ? now + maxAge : null]),
    save: (sid, text, ends) => void lru.set(sid, text, ends === null ? 0 : ends - Date.now()),
    touch: (sid, ends) => {
      const hit = lru.dumpLru().toArray().find(({ key }) => key === sid);
      Object.assign(hit, { now: Date.now(), maxAge: ends - Date.now() });
    },
    drop: (sid) => lru.del(sid),
    clear: () => lru.reset(),
  }),
};

function answering(name, store) {
  const container = CONTAINERS[name](store);
  const acts = {
    ...container,
    fill: (sids, text) => sids.forEach((sid) => container.save(sid, text, null)),
    inspector: () => require("node:inspector").url() ?? null,
    strange: (sid) => container.save(sid, { no: "text" }, null),
  };
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [act, ...given] = JSON.parse(line);
    console.log(JSON.stringify(acts[act](...given) ?? null));
  });
  return store;
}

module.exports = {
  memory: () => answering("memory", new session.MemoryStore()),
  memorystore: (config) => {
    const MemoryStore = require("memorystore")(session);
    return answering("memorystore", new MemoryStore({ max: config.max, ttl: config.ttl }));
  },
};
