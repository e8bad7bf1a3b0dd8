"use strict";
// dynalite: DynamoDB's protocol over an in-memory store. It ends when stdin closes.

const server = require("dynalite")({ createTableMs: 0, deleteTableMs: 0 });

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
