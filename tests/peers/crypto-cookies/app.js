"use strict";
// Real applications whose cookies are encrypted or JWT, one for each library, under one server.
// SESSCTL_PEER is a JSON object of library -> its settings; only those named are there:
//   "fastify-secure-session": {key: [base64, …]} or {secret, salt}; expiry (s)
//   "iron-session":  {password: text or {id: text}, ttl (s)}
//   "yar":           {password, maxCookieSize}
//   "hapi-iron":     {seal: text or {id, secret}, unseal: text or {id: text}}, or {key: base64}
//   "nextauth-v4":   {secret}            "authjs": {secret: text or list, secure}
//   "jsonwebtoken", "jose": {KEY: {algorithm, sign, verify}, …}, keys as text or PEM
// POST /LIBRARY/session with an object puts it into the session, GET answers with what is in it;
// "nextauth-v4" and "authjs" have their own routes under /LIBRARY/auth.
// It prints {"port":N} when ready and ends when stdin closes, so no test can leave one behind.

const http = require("node:http");
const { text } = require("node:stream/consumers");
const { pathToFileURL } = require("node:url");
const { createPrivateKey, createPublicKey, createSecretKey } = require("node:crypto");

const config = JSON.parse(process.env.SESSCTL_PEER ?? "{}");

// NODE_PATH is not for `import`, and these packages are modules.
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

function cookiesOf(req) {
  const pairs = (req.headers.cookie ?? "").split("; ").filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, ...value] = pair.split("=");
      return [name, decodeURIComponent(value.join("="))];
    }),
  );
}

async function bodyOf(req) {
  const body = await text(req);
  return body ? JSON.parse(body) : {};
}

function json(res, status, value, headers = {}) {
  res.writeHead(status, { "Content-Type": "application/json", ...headers });
  res.end(JSON.stringify(value));
}

// A library without an app of its own: `write` makes a cookie's value, `read` takes it or throws.
function plain(name, write, read) {
  return async (req, res) => {
    const which = req.url.split("/")[3];
    if (req.method === "POST") {
      const value = await write(await bodyOf(req), which);
      return json(res, 200, {}, { "Set-Cookie": `${name}=${value}; HttpOnly` });
    }
    try {
      return json(res, 200, await read(cookiesOf(req)[name], which));
    } catch (error) {
      return json(res, 401, { error: error.message });
    }
  };
}

const libraries = {
  async "fastify-secure-session"({ key, salt, ...settings }) {
    const app = require("fastify")();
    const options = { ...settings, cookie: { path: "/" } };
    if (key) options.key = key.map((one) => Buffer.from(one, "base64"));
    if (salt) options.salt = Buffer.from(salt, "base64");
    app.register(require("@fastify/secure-session"), options);
    app.post("/fastify-secure-session/session", async (request) => {
      for (const [name, value] of Object.entries(request.body)) request.session.set(name, value);
      return {};
    });
    app.get("/fastify-secure-session/session", async (request) => request.session.data());
    await app.ready();
    return (req, res) => app.routing(req, res);
  },

  async "iron-session"(settings) {
    const { getIronSession } = require("iron-session");
    const options = { cookieName: "shop", cookieOptions: { secure: false }, ...settings };
    return async (req, res) => {
      const session = await getIronSession(req, res, options);
      if (req.method === "GET") return json(res, 200, { ...session });
      Object.assign(session, await bodyOf(req));
      await session.save();
      return json(res, 200, {});
    };
  },

  async yar({ password, maxCookieSize }) {
    const listener = http.createServer(); // it never listens; requests are handed to it
    const server = require("@hapi/hapi").server({ listener, autoListen: false });
    const cookieOptions = { password, isSecure: false };
    const options = { maxCookieSize, cookieOptions };
    await server.register({ plugin: require("@hapi/yar"), options });
    server.route([
      {
        method: "POST",
        path: "/yar/session",
        handler: ({ yar, payload }) => (yar.set(payload), { id: yar.id }),
      },
      {
        method: "GET",
        path: "/yar/session",
        handler: ({ yar }) => ({ id: yar.id, data: yar._store }),
      },
    ]);
    await server.start();
    return (req, res) => listener.emit("request", req, res);
  },

  async "hapi-iron"({ seal, unseal, key }) {
    const iron = require("@hapi/iron");
    const buffer = key && Buffer.from(key, "base64"); // a key, from which nothing is derived
    return plain(
      "sealed",
      (data) => iron.seal(data, buffer ?? seal, iron.defaults),
      (value) => iron.unseal(value, buffer ?? unseal, iron.defaults),
    );
  },

  async "nextauth-v4"({ secret }) {
    const handle = require("next-auth/next").default;
    const credentials = require("next-auth/providers/credentials").default;
    const authorize = async ({ name }) => ({ id: "17", name, email: "al@example.test" });
    const options = { secret, providers: [credentials({ credentials: {}, authorize })] };
    return async (req, res) => {
      const [path, search] = req.url.split("?");
      res.status = (code) => ((res.statusCode = code), res);
      res.json = (value) => json(res, res.statusCode, value, res.getHeaders());
      res.send = (value) => (typeof value === "string" ? res.end(value) : res.json(value));
      req.query = { ...Object.fromEntries(new URLSearchParams(search)) };
      req.query.nextauth = path.split("/").slice(3);
      req.cookies = cookiesOf(req);
      req.body = req.method === "POST" ? await bodyOf(req) : {};
      return handle(req, res, options);
    };
  },

  async authjs({ secret, secure = false }) {
    const { Auth } = await load("@auth/core");
    const { default: credentials } = await load("@auth/core/providers/credentials");
    const authorize = async ({ name }) => ({ id: "17", name, email: "al@example.test" });
    const options = {
      secret,
      basePath: "/authjs/auth",
      trustHost: true,
      useSecureCookies: secure,
      providers: [credentials({ credentials: {}, authorize })],
    };
    return async (req, res) => {
      const body = req.method === "POST" ? await text(req) : undefined;
      const url = `http://${req.headers.host}${req.url}`;
      const { method, headers } = req;
      const answer = await Auth(new Request(url, { method, headers, body }), options);
      answer.headers.forEach((value, name) => name !== "set-cookie" && res.setHeader(name, value));
      res.setHeader("Set-Cookie", answer.headers.getSetCookie());
      res.writeHead(answer.status);
      res.end(await answer.text());
    };
  },

  async jsonwebtoken(keys) {
    const jwt = require("jsonwebtoken");
    return plain(
      "token",
      (claims, key) => jwt.sign(claims, keys[key].sign, { algorithm: keys[key].algorithm }),
      (token, key) => jwt.verify(token, keys[key].verify),
    );
  },

  async jose(keys) {
    const { SignJWT, jwtVerify } = await load("jose");
    const secret = (given) => createSecretKey(Buffer.from(given));
    const isPem = (given) => given.includes("-----BEGIN");
    const signing = (given) => (isPem(given) ? createPrivateKey(given) : secret(given));
    const verifying = (given) => (isPem(given) ? createPublicKey(given) : secret(given));
    return plain(
      "token",
      (claims, key) =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: keys[key].algorithm })
          .setIssuedAt()
          .sign(signing(keys[key].sign)),
      async (token, key) => (await jwtVerify(token, verifying(keys[key].verify))).payload,
    );
  },
};

async function main() {
  const handlers = {};
  for (const [name, settings] of Object.entries(config)) {
    handlers[name] = await libraries[name](settings);
  }
  const server = http.createServer(async (req, res) => {
    try {
      await handlers[req.url.split("/")[1]](req, res);
    } catch (error) {
      console.error(error);
      json(res, 500, { error: error.message });
    }
  });
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    process.env.NEXTAUTH_URL = `http://127.0.0.1:${port}/nextauth-v4/auth`;
    console.log(JSON.stringify({ port }));
  });
}

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
main();
