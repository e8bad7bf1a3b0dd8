"use strict";
// A CommonJS application: node plain.js [express4] [memorystore] [wrapped] [mounted] [fill=N]
//   wrapped   its listener is a plain function
//   mounted   the sessions are those of an app inside of the app
//   fill=N    N sessions from the start

const http = require("node:http");
const { options, untilStdinEnds, useRoutes } = require("./app.js");

const words = process.argv.slice(2);
const has = (word) => words.includes(word);
const express = require(has("express4") ? "express4" : "express");
const session = require("express-session");

function makeStore() {
  if (has("memorystore")) return new (require("memorystore")(session))({});
  return new session.MemoryStore();
}

function fill(store, count) {
  const expires = new Date(Date.now() + 86_400_000);
  const cookie = { originalMaxAge: 86_400_000, expires, httpOnly: true, path: "/" };
  for (let at = 0; at < count; at += 1) {
    const data = { cookie, passport: { user: at }, views: 1, note: "x".repeat(150) };
    store.set(`fill-${at}-${"s".repeat(16)}`, data);
  }
}

function makeApp() {
  const app = express();
  const store = makeStore();
  fill(store, Number(words.find((word) => word.startsWith("fill="))?.slice(5) ?? 0));
  app.use(session(options(store)));
  useRoutes(app);
  if (!has("mounted")) return app;
  const outer = express();
  outer.use("/", app);
  return outer;
}

const app = makeApp();
const listener = has("wrapped") ? (req, res) => app(req, res) : app;
const server = http.createServer(listener).listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
untilStdinEnds();
