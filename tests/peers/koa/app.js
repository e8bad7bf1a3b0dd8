"use strict";
// Koa on koa-session or koa-generic-session with koa-redis, with the routes of
// `tests/peers/express/app.js`. SESSCTL_PEER: {library, redisUrl, prefix, secrets, maxAge}.
// Both libraries save before the answer leaves.

const Koa = require("koa");
const redisStore = require("koa-redis");

const config = JSON.parse(process.env.SESSCTL_PEER ?? "{}");

const { hostname: host, port, pathname } = new URL(config.redisUrl);
const store = redisStore({ host, port: Number(port), db: Number(pathname.slice(1) || 0) });

// `rolling`: every request moves the end, as express-session does by itself.
const LIBRARIES = {
  "koa-session": (app) => {
    const { createSession } = require("koa-session");
    const { prefix, maxAge } = config;
    app.use(createSession({ store, prefix, maxAge, rolling: true }, app));
    return {
      sid: (ctx) => ctx.session.externalKey,
      setMaxAge: (ctx, ms) => void (ctx.session.maxAge = ms),
      data: (ctx) => ctx.session.toJSON(),
    };
  },
  "koa-generic-session": (app) => {
    const session = require("koa-generic-session");
    const cookie = config.maxAge === undefined ? undefined : { maxAge: config.maxAge };
    app.use(session({ store, rolling: true, ...(cookie && { cookie }) }));
    return {
      sid: (ctx) => ctx.sessionId,
      setMaxAge: (ctx, ms) => void (ctx.session.cookie.maxAge = ms),
      data: (ctx) => {
        const { cookie: _own, ...data } = ctx.session;
        return data;
      },
    };
  },
};

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length ? JSON.parse(Buffer.concat(parts).toString()) : {};
}

const app = new Koa();
app.keys = config.secrets;
const own = LIBRARIES[config.library](app);

const ROUTES = {
  "POST /login": (ctx, { user }) => {
    ctx.session.passport = { user };
    return { user };
  },
  "GET /me": (ctx) => ({ user: ctx.session.passport?.user ?? null, sid: own.sid(ctx) ?? null }),
  "GET /views": (ctx) => ({ views: (ctx.session.views = (ctx.session.views ?? 0) + 1) }),
  "POST /data": (ctx, data) => {
    Object.assign(ctx.session, data);
    return { ok: true };
  },
  "GET /session": (ctx) => own.data(ctx),
  "POST /maxage": (ctx, { ms }) => {
    own.setMaxAge(ctx, ms);
    return { ok: true };
  },
  "POST /logout": (ctx) => {
    ctx.session = null;
    return { ok: true };
  },
};

app.use(async (ctx) => {
  const route = ROUTES[`${ctx.method} ${ctx.path}`];
  if (route) ctx.body = route(ctx, await bodyOf(ctx.req));
});

const server = app.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
