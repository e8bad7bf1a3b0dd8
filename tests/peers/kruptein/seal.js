"use strict";
// Encrypts and decrypts with a generation of kruptein: one JSON array of jobs on stdin,
// [{version, options, secret, plain}] or [{.., sealed}], answered by an array of texts in its order.

const { promisify } = require("node:util");

async function work({ version, options, secret, plain, sealed }) {
  const kruptein = require(`kruptein-${version}`)(options);
  if (sealed === undefined) return promisify(kruptein.set).call(kruptein, secret, plain);
  const found = await promisify(kruptein.get).call(kruptein, secret, sealed);
  return typeof found === "string" ? found : JSON.stringify(found);
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const answers = [];
  for (const job of JSON.parse(Buffer.concat(chunks))) answers.push(await work(job));
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
