"use strict";
// What the applications of this folder have in common: a login, a look, and how long the event loop
// was held up. They print {"port":N} when ready and end when stdin ends.

const { monitorEventLoopDelay } = require("node:perf_hooks");

function useRoutes(app) {
  app.get("/login", (req, res) => {
    req.session.user = req.query.user;
    res.json({ sid: req.sessionID, pid: process.pid });
  });
  app.get("/me", (req, res) => res.json({ user: req.session.user ?? null, pid: process.pid }));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  app.get("/delay", (_req, res) => {
    res.json({ max_ms: delay.max / 1e6, p99_ms: delay.percentile(99) / 1e6 });
    delay.reset();
  });
  return app;
}

const options = (store, name = "connect.sid") => ({
  store,
  name,
  secret: "keyboard cat",
  resave: false,
  saveUninitialized: false,
});

function untilStdinEnds() {
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
}

module.exports = { options, untilStdinEnds, useRoutes };
