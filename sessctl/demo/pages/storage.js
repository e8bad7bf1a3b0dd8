"use strict";
// Fills the table of /storage with what a script can read, and counts in the two storages.

function counted(storage) {
  const visits = Number(storage.getItem("visits") ?? 0) + 1;
  storage.setItem("visits", String(visits));
  return `visits = ${visits}`;
}

function show(id, read) {
  let text;
  try {
    text = read();
  } catch (error) {
    text = `refused (${error.name})`;
  }
  document.getElementById(id).textContent = text;
}

show("cookie", () => document.cookie || "nothing");
show("local", () => counted(localStorage));
show("tab", () => counted(sessionStorage));
