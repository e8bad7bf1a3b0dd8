"use strict";
// The stores of connect-mongo, one name a generation; `config` as in `../express/app.js`, and
//   mongoUrl, collection
//   stringify, touchAfter, timestamps, ttl, autoRemove   options of connect-mongo
//   crypto      {secret}: 3.x's own, kruptein in 5 and 6
//   webCrypto   {secret}: the Web Crypto adapter of 6
//   idPrefix    what `transformId` puts before the session's id
//   objectIds   `transformId` makes an ObjectId of the id

const session = require("express-session");
const { ObjectId } = require("mongodb");

const DEFINED = ([, value]) => value !== undefined;

function optionsOf(config) {
  const { mongoUrl, collection, stringify, touchAfter, timestamps, ttl, crypto } = config;
  // What is over has to stay for sessctl to find; mongod is asked to remove it by `native` alone.
  const { autoRemove = "disabled", idPrefix, objectIds } = config;
  const transformId =
    idPrefix === undefined ? objectIds && idOf : (sid) => `${idPrefix}${sid}`;
  const own = { stringify, touchAfter, timestamps, ttl, crypto, autoRemove, transformId };
  return Object.fromEntries(
    Object.entries({ mongoUrl, collectionName: collection, ...own }).filter(DEFINED),
  );
}

const idOf = (sid) => new ObjectId(Buffer.from(sid).subarray(0, 12));

// Only when the collection is there, with its index, can somebody else look at it.
async function ready(store) {
  const collection = await store.collectionP;
  await collection.updateOne({ _id: "ready" }, { $set: { ready: true } }, { upsert: true });
  await collection.deleteOne({ _id: "ready" });
  return store;
}

function six(config) {
  const { MongoStore, createWebCryptoAdapter } = require("connect-mongo");
  const adapter = config.webCrypto && { cryptoAdapter: createWebCryptoAdapter(config.webCrypto) };
  return ready(MongoStore.create({ ...optionsOf(config), ...adapter }));
}

const five = (config) => ready(require("connect-mongo-5").create(optionsOf(config)));

function three(config) {
  const MongoStore = require("connect-mongo-3")(session);
  const { collectionName: collection, mongoUrl: url, crypto, ...rest } = optionsOf(config);
  const mongoOptions = { useUnifiedTopology: true };
  const named = { url, mongoOptions, ...(collection && { collection }), ...crypto };
  const store = new MongoStore({ ...rest, ...named });
  return new Promise((resolve) => store.once("connected", () => resolve(store)));
}

module.exports = { mongo: six, "mongo-5": five, "mongo-3": three };
