"use strict";
// A cluster of two workers, each with a MemoryStore of its own.

const cluster = require("node:cluster");
const express = require("express");
const session = require("express-session");
const { options, untilStdinEnds, useRoutes } = require("./app.js");

function serve() {
  const app = express();
  app.use(session(options(new session.MemoryStore())));
  const server = useRoutes(app).listen(0, "127.0.0.1", () => {
    process.send({ port: server.address().port });
  });
}

function lead() {
  const ready = [];
  cluster.on("message", (_worker, { port }) => {
    ready.push(port);
    if (ready.length === 2) console.log(JSON.stringify({ port }));
  });
  cluster.setupPrimary({ inspectPort: 0 }); // one after another they would not fit below 1024
  cluster.fork();
  cluster.fork();
  untilStdinEnds();
}

if (cluster.isPrimary) lead();
else serve();
