"use strict";
// connect-redis on clients of several servers; `config` as in the Express peer's `app.js`, with
// `ports` of the cluster's servers or of the sentinels. The packages are those of that peer.

const { createCluster, createSentinel } = require("redis");
const { RedisStore } = require("connect-redis");

async function storeOn(client) {
  client.on("error", (error) => console.error(`redis: ${error.message}`));
  await client.connect();
  return new RedisStore({ client });
}

function cluster({ ports }) {
  return storeOn(createCluster({ rootNodes: ports.map((port) => ({ socket: { host: "127.0.0.1", port } })) }));
}

function sentinel({ ports }) {
  const sentinelRootNodes = ports.map((port) => ({ host: "127.0.0.1", port }));
  return storeOn(createSentinel({ name: "mymaster", sentinelRootNodes }));
}

module.exports = { cluster, sentinel };
