"use strict";
// Fastify on @fastify/session with connect-redis, with the routes of `tests/peers/express/app.js`.
// SESSCTL_PEER: {redisUrl, prefix, secrets, maxAge}. It saves before the answer leaves.

const { createClient } = require("redis");
const { RedisStore } = require("connect-redis");

const config = JSON.parse(process.env.SESSCTL_PEER ?? "{}");

function data(session) {
  const { cookie: _own, ...rest } = JSON.parse(JSON.stringify(session));
  return rest;
}

async function main() {
  const client = createClient({ url: config.redisUrl, disableOfflineQueue: true });
  client.on("error", (error) => console.error(`redis: ${error.message}`));
  await client.connect();
  const { prefix, maxAge, secrets } = config;
  const store = new RedisStore({ client, ...(prefix !== undefined && { prefix }) });
  const app = require("fastify")();
  app.register(require("@fastify/cookie"));
  app.register(require("@fastify/session"), {
    store,
    secret: secrets,
    saveUninitialized: false,
    cookie: { secure: false, ...(maxAge !== undefined && { maxAge }) },
  });
  app.register(async (routes) => {
    routes.post("/login", async ({ session, body }) => {
      session.passport = { user: body.user };
      return { user: body.user };
    });
    routes.get("/me", async ({ session }) => {
      return { user: session.passport?.user ?? null, sid: session.sessionId };
    });
    routes.get("/views", async ({ session }) => {
      session.views = (session.views ?? 0) + 1;
      return { views: session.views };
    });
    routes.post("/data", async ({ session, body }) => {
      Object.assign(session, body);
      return { ok: true };
    });
    routes.get("/session", async ({ session }) => data(session));
    routes.post("/maxage", async ({ session, body }) => {
      session.cookie.maxAge = body.ms;
      return { ok: true };
    });
    routes.post("/logout", async ({ session }) => {
      await session.destroy();
      return { ok: true };
    });
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  console.log(JSON.stringify({ port: app.server.address().port }));
}

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
