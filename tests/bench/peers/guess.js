"use strict";
// Tries every line of standard input as the secret of a cookie, with the library that signs it.
//   node guess.js express-session|cookie-session|jwt COOKIE [SIGNATURE]      prints how many fitted

const readline = require("node:readline");

Error.stackTraceLimit = 0; // a miss is an error in jsonwebtoken, and its stack would cost most

const WAYS = {
  "express-session": (cookie) => {
    const { unsign } = require("cookie-signature");
    return (word) => unsign(cookie, word) !== false;
  },
  "cookie-session": (cookie, signature) => {
    const Keygrip = require("keygrip");
    return (word) => new Keygrip([word]).verify(cookie, signature);
  },
  jwt: (cookie) => {
    const { verify } = require("jsonwebtoken");
    return (word) => {
      try {
        return Boolean(verify(cookie, word));
      } catch {
        return false;
      }
    };
  },
};

async function main() {
  const [way, ...given] = process.argv.slice(2);
  const fits = WAYS[way](...given);
  let count = 0;
  for await (const word of readline.createInterface({ input: process.stdin })) {
    if (word && fits(word)) count += 1;
  }
  console.log(count);
}

main();
