// What sessctl runs in a live Node process to change a session store; sent only to a store that was
// opened for writing. Each session is compared and changed in one go: JavaScript runs a call to its
// end, so nothing of the application comes between.
((reading) => {
  const same = (row, { text, life }) =>
    row.text === text && (row.life === null) === (life === null) && (life === null || row.life.every((each, at) => each === life[at]));

  // Where the date inside the text is the expiry: the text as express-session writes it, with
  // another one. Undefined: there is no cookie to write it into.
  const dated = (text, ends) => {
    try {
      const session = JSON.parse(text);
      session.cookie.expires = ends === null ? null : new Date(ends).toISOString();
      return JSON.stringify(session);
    } catch {
      return undefined;
    }
  };

  // memorystore's [now, maxAge] for an end; a maxAge of 0 would mean never.
  const lived = (ends) => {
    const now = Math.min(Date.now(), ends - 1);
    return ends === null ? null : [now, ends - now];
  };

  const write = (place, sid, text, life) => {
    if (place.kind === "express-memory") {
      place.store.sessions[sid] = text;
      return;
    }
    const lru = place.store.store;
    lru.set(sid, text, life === null ? 0 : life[1]);
    const node = reading.mapOf(place).get(sid);
    if (node !== undefined && life !== null) [node.value.now, node.value.maxAge] = life;
  };

  // What a row becomes: its own text and life, or with `ends` another expiry.
  const wanted = (place, row) => {
    if (!("ends" in row)) return { text: row.text, life: row.life };
    if (place.kind === "express-memory") return { text: dated(row.text, row.ends), life: null };
    return { text: row.text, life: lived(row.ends) };
  };

  const destroyOne = (place, row, graceMs) => {
    const found = reading.entry(place, row.sid);
    if (found.text === undefined) return "gone";
    if (!same(row, found)) return "changed";
    if (graceMs !== null && !(row.due !== null && row.due <= Date.now() - graceMs)) return "not due";
    place.store.destroy(row.sid);
    return reading.entry(place, row.sid).text === undefined ? "done" : "still there";
  };

  // A cache that is full would push another session out.
  const isTooMuch = (place, sid, text, before) => {
    if (place.kind !== "memorystore") return false;
    const lru = place.store.store;
    const length = (each) => (each === undefined ? 0 : lru.lengthCalculator(each, sid));
    return lru.length - length(before) + length(text) > lru.max;
  };

  const replaceOne = (place, row) => {
    const found = reading.entry(place, row.sid);
    if (found.text === undefined) return "gone";
    if (!same(row, found)) return "changed";
    const { text, life } = wanted(place, row.to);
    if (text === undefined) return "no cookie";
    if (place.kind === "memorystore" && text === found.text) {
      Object.assign(reading.mapOf(place).get(row.sid).value, { now: life ? life[0] : 0, maxAge: life ? life[1] : 0 });
      return "done";
    }
    if (isTooMuch(place, row.sid, text, found.text)) return "full";
    write(place, row.sid, text, life);
    return "done";
  };

  const putOne = (place, row) => {
    const { text, life } = wanted(place, row);
    if (text === undefined) return "no cookie";
    const found = reading.entry(place, row.sid);
    if (found.text !== undefined) {
      const ends = (each) => each && each[0] + each[1];
      const equal = found.text === text && ends(found.life) === ends(life);
      return equal ? "present" : "newer";
    }
    if (isTooMuch(place, row.sid, text)) return "full";
    write(place, row.sid, text, life);
    return "done";
  };

  // A row: {sid, text, life}, with `due` (its end in ms, or null) to destroy it, with `to` (another
  // row) to replace it, and with `ends` instead of a life to give it that end.
  return {
    destroy: (place, rows, graceMs) => rows.map((row) => destroyOne(place, row, graceMs)),
    replace: (place, rows) => rows.map((row) => replaceOne(place, row)),
    put: (place, rows) => rows.map((row) => putOne(place, row)),
  };
})
