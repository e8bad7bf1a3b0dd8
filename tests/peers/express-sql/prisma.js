"use strict";
// Prisma's own client and query compiler without its command line, whose installation downloads
// binaries: what `prisma generate` writes for the one model that the session store needs.

// The model of the store's readme; its `data` is longer than MySQL's usual text.
const schema = (provider) => `
datasource db {
  provider = "${provider}"
}
model Session {
  id        String   @id
  sid       String   @unique
  data      String   ${provider === "mysql" ? "@db.MediumText" : ""}
  expiresAt DateTime
}
`;
const FIELDS = { id: "String", sid: "String", data: "String", expiresAt: "DateTime" };
// What `prisma db push` makes of the model.
const TABLES = {
  sqlite: [
    `CREATE TABLE IF NOT EXISTS "Session" ("id" TEXT NOT NULL PRIMARY KEY, "sid" TEXT NOT NULL,
     "data" TEXT NOT NULL, "expiresAt" DATETIME NOT NULL)`,
    'CREATE UNIQUE INDEX IF NOT EXISTS "Session_sid_key" ON "Session"("sid")',
  ],
  postgresql: [
    `CREATE TABLE IF NOT EXISTS "Session" ("id" TEXT NOT NULL, "sid" TEXT NOT NULL,
     "data" TEXT NOT NULL, "expiresAt" TIMESTAMP(3) NOT NULL,
     CONSTRAINT "Session_pkey" PRIMARY KEY ("id"))`,
    'CREATE UNIQUE INDEX IF NOT EXISTS "Session_sid_key" ON "Session"("sid")',
  ],
  mysql: [
    `CREATE TABLE IF NOT EXISTS \`Session\` (\`id\` VARCHAR(191) NOT NULL,
     \`sid\` VARCHAR(191) NOT NULL, \`data\` MEDIUMTEXT NOT NULL, \`expiresAt\` DATETIME(3) NOT NULL,
     UNIQUE INDEX \`Session_sid_key\`(\`sid\`), PRIMARY KEY (\`id\`))
     DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
  ],
};
// Which arguments Prisma may take out of a query to keep its plan: by an empty graph, none.
const NO_GRAPH = { strings: [], graph: Buffer.alloc(64).toString("base64url") };

async function prismaClient(provider, adapter) {
  const runtime = "@prisma/client/runtime/";
  const { getPrismaClient } = require(`${runtime}client.js`);
  const compiler = `${runtime}query_compiler_fast_bg.${provider}`;
  const PrismaClient = getPrismaClient({
    runtimeDataModel: {
      models: {
        Session: {
          dbName: null,
          fields: Object.entries(FIELDS).map(([name, type]) => ({ name, kind: "scalar", type })),
        },
      },
      enums: {},
      types: {},
    },
    previewFeatures: [],
    clientVersion: require("@prisma/client/package.json").version,
    engineVersion: "none",
    activeProvider: provider,
    inlineSchema: schema(provider),
    compilerWasm: {
      getRuntime: async () => require(`${compiler}.js`),
      getQueryCompilerWasmModule: async () => {
        const { wasm } = require(`${compiler}.wasm-base64.js`);
        return new WebAssembly.Module(Buffer.from(wasm, "base64"));
      },
      importName: `./query_compiler_fast_bg.js`,
    },
    parameterizationSchema: NO_GRAPH,
  });
  const client = new PrismaClient({ adapter });
  for (const statement of TABLES[provider]) await client.$executeRawUnsafe(statement);
  return client;
}

module.exports = { prismaClient };
