"use strict";
// What a team without sessctl would write on top of connect-redis; the benchmarks' opponent.
//   node all.js list  <redis url> [prefix]   every session as one JSON line on stdout
//   node all.js purge <redis url> [prefix]   destroys those whose cookie.expires is past
// The last line on stderr is JSON: {"action","sessions","destroyed","ms","rss_bytes"}.

const { once } = require("node:events");
const { createClient } = require("redis");
const { RedisStore } = require("connect-redis");

async function list(sessions) {
  for (const one of sessions) {
    if (!process.stdout.write(`${JSON.stringify(one)}\n`)) await once(process.stdout, "drain");
  }
  return 0;
}

async function purge(sessions, store) {
  let destroyed = 0;
  for (const { id, cookie } of sessions) {
    if (!cookie?.expires || new Date(cookie.expires) > new Date()) continue;
    await store.destroy(id);
    destroyed += 1;
  }
  return destroyed;
}

async function main() {
  const [name, url, prefix = "sess:"] = process.argv.slice(2);
  const action = { list, purge }[name];
  if (!action || !url) throw new Error("usage: node all.js list|purge <redis url> [prefix]");
  const client = await createClient({ url }).connect();
  const store = new RedisStore({ client, prefix });
  const started = performance.now();
  const sessions = await store.all();
  const destroyed = await action(sessions, store);
  const ms = Math.round(performance.now() - started);
  await client.close();
  const rss_bytes = process.resourceUsage().maxRSS * 1024; // the peak; node counts it in KiB
  console.error(JSON.stringify({ action: name, sessions: sessions.length, destroyed, ms, rss_bytes }));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
