"use strict";
// Judges signed cookies, one a line on stdin, with cookie-signature: what express-session itself does.
//   node verify.js <secret>      one JSON line a cookie on stdout

const { once } = require("node:events");
const readline = require("node:readline");
const { unsign } = require("cookie-signature");

async function main() {
  const secret = process.argv[2];
  let number = 0;
  let lines = [];
  for await (const line of readline.createInterface({ input: process.stdin })) {
    number += 1;
    const sid = line.startsWith("s:") && unsign(line.slice(2), secret);
    const verdict = sid === false ? "bad_signature" : "valid";
    lines.push(JSON.stringify({ input: number, sid: sid || null, verdict }));
    if (lines.length === 1000) {
      if (!process.stdout.write(`${lines.join("\n")}\n`)) await once(process.stdout, "drain");
      lines = [];
    }
  }
  if (lines.length) process.stdout.write(`${lines.join("\n")}\n`);
}

main();
