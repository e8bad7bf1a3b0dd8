"use strict";
// Real applications of the libraries that keep what they know in cookies, behind one port: the
// first part of the path chooses the library. POST /LIBRARY/write puts the JSON of its body into the
// cookie, GET /LIBRARY/read answers with what the library made of the cookie it was sent.
// SESSCTL_PEER: {"secrets": [newest first]}. Prints {"port":N}; ends when stdin closes.

const http = require("node:http");
const clientSessions = require("client-sessions");
const cookieParser = require("cookie-parser");
const cookieSession = require("cookie-session");
const express = require("express");
const fastify = require("fastify");
const Koa = require("koa");
const koaSession = require("koa-session");

const { secrets } = JSON.parse(process.env.SESSCTL_PEER);

// Express: `use` gives it its middleware, `put` writes a value, `get` reads it.
function expressApp(use, put, get) {
  const app = express();
  app.use(express.json({ strict: false }), use);
  app.post("/write", (req, res) => {
    put(req, res, req.body);
    res.json({});
  });
  app.get("/read", (req, res) => res.json(get(req)));
  return app;
}

const inSession = (req, _res, data) => Object.assign(req.session, data);

function koaApp() {
  const app = new Koa();
  app.keys = secrets;
  app.use((koaSession.default ?? koaSession.createSession ?? koaSession)({}, app));
  app.use(async (ctx) => {
    if (ctx.method === "POST") {
      const parts = [];
      for await (const part of ctx.req) parts.push(part);
      ctx.session = JSON.parse(Buffer.concat(parts));
      ctx.body = {};
    } else {
      ctx.body = ctx.session.isNew ? {} : ctx.session.toJSON();
    }
  });
  return app.callback();
}

async function fastifyApp(register, put, get) {
  const app = fastify();
  await register(app);
  app.post("/write", async (request, reply) => {
    put(request, reply, request.body);
    return {};
  });
  app.get("/read", async (request) => ({ ...get(request) }));
  await app.ready();
  return app.routing;
}

const cookies = (options) => (app) => app.register(require("@fastify/cookie"), options);

async function fastifySession(app) {
  await cookies({})(app);
  const settings = { secret: secrets, cookie: { secure: false }, saveUninitialized: false };
  await app.register(require("@fastify/session"), settings);
}

async function main() {
  const apps = {
    "cookie-parser": expressApp(
      cookieParser(secrets),
      (_req, res, data) => res.cookie("user", data, { signed: true }),
      (req) => ({ signed: req.signedCookies.user ?? null, plain: req.cookies.user ?? null }),
    ),
    "cookie-session": expressApp(cookieSession({ keys: secrets }), inSession, (req) => req.session),
    "client-sessions": expressApp(
      clientSessions({ cookieName: "session_state", requestKey: "session", secret: secrets[0] }),
      inSession,
      (req) => ({ ...req.session }),
    ),
    "koa-session": koaApp(),
    "fastify-cookie": await fastifyApp(
      cookies({ secret: secrets }),
      (_request, reply, data) => reply.setCookie("user", data.text, { signed: true, path: "/" }),
      (request) => (request.cookies.user ? request.unsignCookie(request.cookies.user) : {}),
    ),
    "fastify-session": await fastifyApp(
      fastifySession,
      (request, _reply, data) => Object.entries(data).forEach(([k, v]) => request.session.set(k, v)),
      (request) => ({ sid: request.session.sessionId, user: request.session.get("user") ?? null }),
    ),
  };
  const server = http.createServer((req, res) => {
    const [, library, ...rest] = req.url.split("/");
    req.url = `/${rest.join("/")}`;
    apps[library](req, res);
  });
  server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
  process.stdin.on("end", () => process.exit(0)).resume();
}

main();
