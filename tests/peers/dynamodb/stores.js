"use strict";
// connect-dynamodb as an Express application opens it; `config` as in `tests/peers/express/app.js`.

const session = require("express-session");
const { DynamoDBClient } = require("@aws-sdk/client-dynamodb");
const { defined } = require("../express/stores.js");

function dynamodbStore({ endpoint, table, hashKey, prefix, specialKeys }) {
  const DynamoDBStore = require("connect-dynamodb")(session);
  // Credentials from the environment, as in production; dynalite takes any.
  const client = new DynamoDBClient({ endpoint, region: "local" });
  return new DynamoDBStore(defined({ client, table, hashKey, prefix, specialKeys }));
}

module.exports = { dynamodb: dynamodbStore };
