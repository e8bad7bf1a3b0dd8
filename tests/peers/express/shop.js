"use strict";
// A small shop with pages, forms and redirects: what sessctl plays its scenarios against.
// Set, started and ended like `app.js`; further keys of SESSCTL_PEER: port, and
//   store      also "cookie-session": the session itself is in the cookie
//   regenerate a login changes the session id
//   csrf       forms need the token of the cookie `csrf` (the same value twice, no session)

const { createHmac, randomBytes } = require("node:crypto");
const express = require("express");
const session = require("express-session");
const { defined, openStore } = require("./stores.js");

const config = JSON.parse(process.env.SESSCTL_PEER ?? "{}");
const inCookie = config.store === "cookie-session";

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const cookieOf = (req, name) =>
  (req.headers.cookie ?? "").split("; ").find((c) => c.startsWith(`${name}=`))?.slice(name.length + 1);

async function sessions() {
  if (inCookie) {
    return require("cookie-session")(defined({ name: config.name, keys: config.secrets }));
  }
  const { name, secrets: secret, cookie, resave = false, saveUninitialized = false, rolling } = config;
  const store = await openStore(config);
  return session(defined({ store, name, secret, cookie, resave, saveUninitialized, rolling }));
}

// Double submit: the form repeats what the cookie says.
function csrf(req, res, next) {
  if (!config.csrf) return next();
  req.csrf = cookieOf(req, "csrf");
  if (req.method !== "GET") {
    return req.csrf && req.csrf === req.body?._csrf ? next() : res.status(403).send("forged form");
  }
  if (!req.csrf) {
    req.csrf = randomBytes(12).toString("hex");
    res.cookie("csrf", req.csrf, { sameSite: "lax" });
  }
  return next();
}

// A token that differs in every answer, as many frameworks mask theirs.
const mask = (req) => createHmac("sha256", randomBytes(8)).update(req.csrf ?? "").digest("base64url");

function page(req, res, title, body) {
  const theme = cookieOf(req, "theme") === "dark" ? "dark" : "light";
  const user = req.session?.user;
  res.send(`<!doctype html>
<html><head><title>${title}</title><meta name="nonce" content="${mask(req)}"></head>
<body class="${theme}"><nav>${user ? `Hello ${escape(user)}` : '<a href="/login">log in</a>'}</nav>
${body}
<footer>served at ${new Date().toISOString()}</footer></body></html>`);
}

const form = (req, action, fields) =>
  `<form method="post" action="${action}"><input name="_csrf" value="${req.csrf ?? ""}">${fields}</form>`;

function useRoutes(app) {
  app.get("/health", (_req, res) => res.send("ok"));
  app.get("/", (req, res) => {
    const flash = req.session.flash;
    if (flash) delete req.session.flash;
    page(req, res, "Shop", flash ? `<p class="flash">${escape(flash)}</p>` : "<p>Look around.</p>");
  });
  app.get("/about", (req, res) => res.type("text").send("We sell pears. Open 9:00 to 17:00.\n"));
  app.get("/theme", (req, res) => res.cookie("theme", "dark").redirect("/"));
  app.get("/login", (req, res) => page(req, res, "Log in", form(req, "/login", '<input name="user">')));
  app.post("/login", (req, res, next) => {
    const enter = (error) => {
      if (error) return next(error);
      req.session.user = req.body.user;
      req.session.flash = `Welcome, ${req.body.user}!`;
      return res.redirect("/");
    };
    return config.regenerate && !inCookie ? req.session.regenerate(enter) : enter();
  });
  app.get("/account", (req, res) => {
    if (!req.session.user) return res.status(401).send("log in first\n");
    return page(req, res, "Account", `<h1>Account of ${escape(req.session.user)}</h1>`);
  });
  app.get("/count", (req, res) => {
    req.session.count = (req.session.count ?? 0) + 1;
    res.json({ count: req.session.count });
  });
  app.post("/cart", (req, res) => {
    req.session.cart = [...(req.session.cart ?? []), { item: req.body.item, qty: Number(req.body.qty) }];
    res.redirect(303, "/cart");
  });
  app.get("/cart", (req, res) => res.json({ items: req.session.cart ?? [] }));
  app.post("/logout", (req, res, next) => {
    if (inCookie) {
      req.session = null;
      return res.redirect("/");
    }
    return req.session.destroy((error) => (error ? next(error) : res.redirect("/")));
  });
}

async function main() {
  const app = express();
  app.set("etag", false);
  app.use(express.urlencoded({ extended: false }), express.json());
  app.use(await sessions(), csrf);
  useRoutes(app);
  app.use((error, _req, res, _next) => res.status(error.status ?? 500).json({ error: error.message }));
  const server = app.listen(config.port ?? 0, "127.0.0.1", () => {
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
