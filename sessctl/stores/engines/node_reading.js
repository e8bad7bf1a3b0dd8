// What sessctl runs in a live Node process to find the session stores in its memory and to read
// them. It is evaluated to one object that only the inspector's connection holds: no global, no
// patch. Nothing here changes anything: no getter and no proxy's trap is run, and no store is
// asked, because their own get, all and length delete what is over.
(() => {
  // The inspector lends `require` for this moment, to ES modules too.
  const load = typeof require === "function" ? require : undefined;
  const builtin = process.getBuiltinModule || load;
  const { isProxy } = builtin("util").types;
  const isObject = (value) =>
    (typeof value === "function" || (typeof value === "object" && value !== null)) && !isProxy(value);
  const own = (object, name) => (isObject(object) ? Object.getOwnPropertyDescriptor(object, name) : undefined);
  const data = (object, name) => (own(object, name) || {}).value;
  const inherited = (object, name) => {
    for (let at = object; isObject(at); at = Object.getPrototypeOf(at)) {
      if (own(at, name)) return data(at, name);
    }
    return undefined;
  };
  const hasMethods = (value, names) => names.every((name) => typeof inherited(value, name) === "function");
  const nameOf = (object) => String(data(inherited(object, "constructor"), "name"));
  const isMap = (value) => Object.prototype.toString.call(value) === "[object Map]";

  // What express-session's Store gives to every store, beside the store's own; a prototype is none.
  const METHODS = ["createSession", "regenerate", "get", "set", "destroy"];
  const isStore = (value) => isObject(value) && hasMethods(value, METHODS) && !own(value, "constructor");

  // lru-cache 4, which memorystore uses, keeps key -> {value: {key, value, now, maxAge}} in a Map
  // under an own symbol.
  const lruMap = (lru) => {
    const symbol = Object.getOwnPropertySymbols(lru).find((each) => each.toString() === "Symbol(cache)");
    const map = symbol && data(lru, symbol);
    return isMap(map) ? map : undefined;
  };
  const kindOf = (store) => {
    if (isObject(data(store, "sessions"))) return "express-memory";
    if (isObject(data(store, "store")) && lruMap(data(store, "store"))) return "memorystore";
    return null; // one that keeps its sessions elsewhere
  };

  const portOf = (server) => {
    try {
      const address = server.address();
      return typeof address === "object" && address ? address.port : address;
    } catch {
      return null;
    }
  };
  // "4:127.0.0.1:3000"
  const portIn = (server) => Number(/\d*$/.exec(data(server, "_connectionKey"))[0]) || null;
  const listeners = (server, port) =>
    ["request", "upgrade"].flatMap((event) => emitter.listeners.call(server, event).map((each) => [each, port]));
  // Only what has `listeners` from Node itself: somebody else's would be code of theirs.
  const emitter = builtin("events").prototype;
  const isServer = (value) =>
    hasMethods(value, ["listeners", "address"]) && inherited(value, "listeners") === emitter.listeners;

  // Asked each time: `clear` of both libraries makes a new one.
  const mapOf = (place) => lruMap(place.store.store);

  // In the closure of `session()` stand the store and the name of its cookie.
  const cookieIn = ({ store, name, cookieOptions }) => (store && cookieOptions && typeof name === "string" ? name : null);

  // One value of a store: text, and for memorystore [now, maxAge], whose sum is its end in ms.
  const entry = (place, sid) => {
    if (place.kind === "express-memory") return { text: data(place.store.sessions, sid), life: null };
    const node = mapOf(place).get(sid);
    if (node === undefined) return { text: undefined, life: null };
    const { value, now, maxAge } = node.value;
    return { text: value, life: Number.isFinite(maxAge) && maxAge !== 0 ? [now, maxAge] : null };
  };

  const LONGEST_MS = 10; // of one page: the application waits meanwhile
  const LONGEST_TEXT = 1 << 19; // of one page, unless a single value is longer
  const GIANT = 1 << 23; // a value as long as this is not sent
  const LONE_SURROGATE = /\p{Surrogate}/u; // no Unicode: it would not arrive as it is

  return {
    about: () => {
      const workers = Object.values(builtin("cluster").workers || {}).map((worker) => worker.process.pid);
      const threaded = process._getActiveHandles().some((handle) => nameOf(handle) === "MessagePort");
      return { pid: process.pid, script: process.argv[1] || process.title, workers, threaded };
    },

    // Where an Express application hangs: [function or object, port]. In a cluster's worker the
    // servers are known to `cluster._getServer` alone.
    servers: () => {
      const found = [];
      for (const handle of process._getActiveHandles()) {
        for (const server of [handle, handle && handle.server]) {
          if (isServer(server)) found.push(...listeners(server, portOf(server)));
        }
      }
      const cluster = builtin("cluster");
      if (cluster.isWorker) found.push([cluster._getServer, null]);
      return found;
    },

    // Where no server leads to a store: what the application's own CommonJS modules export.
    modules: () => {
      const cache = (load && load.cache) || {};
      const files = Object.keys(cache).filter((file) => !/[\\/]node_modules[\\/]/.test(file));
      return files.flatMap((file) => {
        const exported = data(cache[file], "exports");
        const inside = isObject(exported) ? Object.keys(exported).map((key) => data(exported, key)) : [];
        return [exported, ...inside].map((value) => [value, null]);
      });
    },

    // Follow layers and routers breadth first. Finds stores and the functions whose closures are
    // to be looked into; `seen` is what earlier rounds have met.
    walk: (roots, seen) => {
      const met = new Set(seen);
      const functions = [];
      const stores = [];
      const todo = roots.map(([value, port, cookie]) => ({ value, port, cookie, leads: false }));
      for (let at = 0; at < todo.length && at < 5000; at += 1) {
        const { value, port, cookie, leads } = todo[at];
        if (isStore(value)) stores.push([value, port, cookie]);
        if (!isObject(value) || met.has(value) || isStore(value)) continue;
        met.add(value);
        if (typeof value === "function") functions.push([value, port, leads]);
        const push = (found, isLead) => todo.push({ value: found, port, leads: isLead });
        const stack = data(value, "stack");
        for (const layer of Array.isArray(stack) ? stack : []) {
          const handlers = data(data(layer, "route"), "stack");
          push(data(layer, "handle"), !handlers);
          for (const handler of Array.isArray(handlers) ? handlers : []) push(data(handler, "handle"), false);
        }
        push(data(value, "_router"), true); // Express 4
        push((own(value, "router") || {}).get, true); // Express 5: its closure has the router
      }
      return { functions, stores, seen: [...met] };
    },
    // Of the functions name, port, and whether one is middleware; of the stores the ports.
    met: ({ functions, stores }) => [
      functions.map(([value, port, leads]) => [String(data(value, "name")), port, leads]),
      stores.map(([, port]) => port),
    ],
    function: (functions, at) => functions[at][0],

    // What the closures hold: stores with the name of their cookie, and where to walk on.
    inside: (functions, at, ...scopes) => {
      const port = functions[at][1];
      const found = [];
      for (const scope of scopes) {
        // V8 hands a scope over as {description, object}.
        const variables = own(scope, "description") ? data(scope, "object") || scope : scope;
        for (const name of Object.keys(variables)) {
          const value = data(variables, name);
          if (!isObject(value)) continue;
          if (isStore(value)) found.push([value, port, cookieIn(variables)]);
          else if (typeof value === "function" || Array.isArray(data(value, "stack"))) found.push([value, port]);
          else if (isServer(value)) found.push(...listeners(value, port));
          else if (name === "handles" && isMap(value)) {
            // A worker's: key -> handle, with the server under a symbol of its own.
            for (const handle of value.values()) {
              const server = Object.getOwnPropertySymbols(handle).map((each) => data(handle, each)).find(isServer);
              if (server) found.push(...listeners(server, portIn(server)));
            }
          }
        }
      }
      return found;
    },

    join: (...lists) => lists.flat(),

    // A place: all that reading and writing need to know of a store. In the order of the ports, so
    // that a number names the same one tomorrow; without those that no middleware uses, if any is.
    places: (stores) => {
      const places = new Map();
      for (const [store, port, cookie] of stores) {
        const place = places.get(store) || { store, kind: kindOf(store), port: null, cookie: null };
        place.port = place.port || port || null;
        place.cookie = place.cookie || cookie || null;
        places.set(store, place);
      }
      const all = [...places.values()];
      const used = all.filter(({ store }) => typeof data(store, "generate") === "function"); // set by session()
      return (used.length ? used : all).sort((a, b) => (Number(a.port) || 0) - (Number(b.port) || 0));
    },
    describe: (places) =>
      places.map(({ store, kind, port, cookie }) => ({ kind, port, cookie, name: nameOf(store) })),
    pick: (places, at) => places[at],

    keys: (place) =>
      place.kind === "memorystore" ? [...mapOf(place).keys()] : Object.keys(place.store.sessions),
    count: (place) =>
      place.kind === "memorystore" ? mapOf(place).size : Object.keys(place.store.sessions).length,
    length: (keys) => keys.length,

    // Up to `most` sessions from `keys[from]` on: [sid, text, life]. A value that is no text, or a
    // giant, comes as null with what it is instead of its life. `next` is where to go on.
    page: (place, keys, from, most) => {
      const rows = [];
      const until = Date.now() + LONGEST_MS;
      let next = from;
      for (let size = 0; next < keys.length && next < from + most && size < LONGEST_TEXT; next += 1) {
        const sid = keys[next];
        const { text, life } = entry(place, sid);
        if (text === undefined) continue; // gone in between
        if (typeof sid !== "string" || typeof text !== "string") rows.push([String(sid), null, typeof text]);
        else if (text.length > GIANT) rows.push([sid, null, `${text.length} characters`]);
        else if (LONE_SURROGATE.test(sid + text)) rows.push([sid, null, "not Unicode"]);
        else rows.push([sid, text, life]);
        size += typeof text === "string" ? text.length : 0;
        if ((next & 15) === 15 && Date.now() > until) {
          next += 1;
          break;
        }
      }
      return { next, rows };
    },

    entry, // for node_writing.js
    mapOf,
  };
})()
