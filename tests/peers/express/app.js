"use strict";
// A real Express application: what it leaves in its store is what sessctl must read.
// Everything is set by one JSON object in SESSCTL_PEER; see `tests/support/express.py` for its keys.
// It prints {"port":N} when ready and ends when stdin closes, so no test can leave one behind.

const { promisify } = require("node:util");
const express = require("express");
const flash = require("connect-flash");
const passport = require("passport");
const session = require("express-session");
const { Strategy } = require("passport-local");
const { defined, openStore } = require("./stores.js");

const config = JSON.parse(process.env.SESSCTL_PEER ?? "{}");

// Routes save before they answer: by itself express-session reports a failed save only after
// the 200 is on its way, and a test could not tell.
function saved(req, res, next, body) {
  req.session.save((error) => (error ? next(error) : res.json(body)));
}

function usePassport(app) {
  // The user is whatever was posted: number, text or object, and goes into the session unchanged.
  const verify = (req, _name, _password, done) => done(null, { user: req.body.user });
  passport.use(new Strategy({ passReqToCallback: true }, verify));
  passport.serializeUser((account, done) => done(null, account.user));
  passport.deserializeUser((user, done) => done(null, { user }));
  app.use(passport.session());
  // passport-local wants both to be text, a user id need not be.
  const anyone = (req, _res, next) => {
    req.body = { ...req.body, username: "any", password: "any" };
    next();
  };
  app.post("/login", anyone, passport.authenticate("local"), (req, res) => {
    res.json({ user: req.user.user, sid: req.sessionID });
  });
  app.post("/logout", (req, res, next) => {
    req.logout((error) => (error ? next(error) : res.json({ sid: req.sessionID })));
  });
  app.get("/me", (req, res) => res.json({ user: req.user?.user ?? null, sid: req.sessionID }));
}

function useRoutes(app) {
  app.get("/views", (req, res, next) => {
    req.session.views = (req.session.views ?? 0) + 1;
    saved(req, res, next, { views: req.session.views });
  });
  app.post("/cart", (req, res, next) => {
    const { item, qty } = req.body;
    (req.session.shoppingCart ??= []).push({ item, qty });
    saved(req, res, next, { cart: req.session.shoppingCart });
  });
  app.get("/cart", (req, res) => res.json({ cart: req.session.shoppingCart ?? [] }));
  app.post("/flash", (req, res, next) => {
    req.flash(req.body.type, req.body.message);
    saved(req, res, next, { ok: true });
  });
  app.get("/flash", (req, res, next) => saved(req, res, next, { flash: req.flash() }));
  app.get("/touch", (req, res) => res.json({ sid: req.sessionID }));
  app.post("/data", (req, res, next) => {
    const { cookie: _never, ...data } = req.body;
    Object.assign(req.session, data);
    saved(req, res, next, { ok: true });
  });
  app.get("/session", (req, res) => res.json(req.session));
  app.post("/maxage", (req, res, next) => {
    req.session.cookie.maxAge = req.body.ms;
    saved(req, res, next, { cookie: req.session.cookie });
  });
  // A request in flight: its session is loaded, then it waits, so many ms or until it is released;
  // with change=no it only reads.
  const waiting = [];
  app.get("/slow", async (req, res, next) => {
    const { ms, change } = req.query;
    await new Promise((go) => (ms === undefined ? waiting.push(go) : setTimeout(go, Number(ms))));
    if (change === "no") return res.json({ sid: req.sessionID });
    req.session.slow = (req.session.slow ?? 0) + 1;
    return saved(req, res, next, { sid: req.sessionID });
  });
  app.get("/waiting", (_req, res) => res.json({ count: waiting.length }));
  app.post("/release", (_req, res) => {
    for (const go of waiting.splice(0)) go();
    res.json({ ok: true });
  });
}

// What a handler may do to its session, act by act; the middleware alone decides how it ends.
const ACTS = {
  set: (req, key, value) => void (req.session[key] = value),
  delete: (req, key) => void delete req.session[key],
  maxAge: (req, ms) => void (req.session.cookie.maxAge = ms),
  touch: (req) => void req.session.touch(),
  unset: (req) => void (req.session = null),
  save: (req) => promisify(req.session.save).call(req.session),
  reload: (req) => promisify(req.session.reload).call(req.session),
  destroy: (req) => promisify(req.session.destroy).call(req.session),
  regenerate: (req) => promisify(req.session.regenerate).call(req.session),
};

function useActs(app) {
  app.post(["/act", "/shop/act"], async (req, res) => {
    for (const [act, ...values] of req.body) {
      if (req.session) await ACTS[act](req, ...values);
    }
    const { cookie: _left_out, ...data } = req.session ?? {};
    res.json({ sid: req.sessionID ?? null, data: req.session ? data : null });
  });
}

async function main() {
  const store = await openStore(config);
  const app = express();
  app.use(express.json({ strict: false, limit: "16mb" }));
  app.use(
    session(
      defined({
        store,
        name: config.name,
        secret: config.secrets,
        cookie: config.cookie,
        resave: config.resave ?? false,
        saveUninitialized: config.saveUninitialized ?? false,
        rolling: config.rolling,
        unset: config.unset,
      }),
    ),
  );
  useActs(app);
  app.use(flash());
  usePassport(app);
  useRoutes(app);
  app.use((error, _req, res, _next) => {
    // connect-sqlite3 calls back twice after an error; the first answer stands.
    if (!res.headersSent) res.status(error.status ?? 500).json({ error: error.message });
  });
  const server = app.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ port: server.address().port }));
  });
}

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
