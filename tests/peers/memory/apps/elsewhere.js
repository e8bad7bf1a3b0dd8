"use strict";
// Processes without a store in their memory: node elsewhere.js none|redis|thread
//   redis    the sessions are in a store of another kind
//   thread   they are in a worker thread

const http = require("node:http");
const { isMainThread, parentPort, Worker } = require("node:worker_threads");
const session = require("express-session");
const { options, untilStdinEnds, useRoutes } = require("./app.js");

class RedisStore extends session.Store {
  get(_sid, done) {
    done(null, null);
  }
  set(_sid, _session, done) {
    done(null);
  }
  destroy(_sid, done) {
    done(null);
  }
}

function makeListener(kind) {
  if (kind === "none") return (_req, res) => res.end("ok");
  const app = require("express")();
  app.use(session(options(kind === "redis" ? new RedisStore() : new session.MemoryStore())));
  return useRoutes(app);
}

function listen(kind, ready) {
  const server = http.createServer(makeListener(kind)).listen(0, "127.0.0.1", () => ready(server.address()));
}

const print = ({ port }) => console.log(JSON.stringify({ port }));
if (!isMainThread) listen("memory", (address) => parentPort.postMessage(address));
else if (process.argv[2] === "thread") new Worker(__filename).on("message", print);
else listen(process.argv[2], print);
if (isMainThread) untilStdinEnds();
