// An application of ES modules with express-session's default store, which nobody names; also what
// is bundled and minified.

import express from "express";
import session from "express-session";
import app from "./app.js";

const shop = express();
const { store: _none, ...options } = app.options(undefined, "shop.sid");
shop.use(session({ ...options, store: new session.MemoryStore() }));
app.useRoutes(shop);
const server = shop.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
app.untilStdinEnds();
