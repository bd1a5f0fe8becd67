/**
 * The room: what is said here goes to the outbox, from there over the socket to the server, and
 * comes back to the log as it does for everybody in the room.
 */

import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import * as history from "./history.js";
import { Log } from "./log.js";
import { Outbox } from "./outbox.js";
import { Scroll } from "./scroll.js";
import { Status } from "./status.js";

// Milliseconds after which each message was told, though its worker may have died.
const SETTLED = 60_000;
// Milliseconds after which a message that did not come back means that the socket is dead.
const STALE = 20_000;
// How long to wait after having been too fast, and before asking a history again that failed.
const PAUSE = 2_000;

const page = document.body.dataset;
const find = (id) => document.getElementById(id);

const outbox = new Outbox(page.label);
const log = new Log(find("log"), find("message"));
const scroll = new Scroll(find("scroll"), find("log"), find("newest"));
const status = new Status(find("status"));
const catchUp = new history.CatchUp(page.history, log.ids.at(-1) ?? 0);
const connection = new Connection(socketAddress(), { onState, onFrame });
const composer = new Composer(find("composer"), {
  limits: { handle: Number(page.handleLength), message: Number(page.messageLength) },
  onSay: say,
  onTrouble: notice,
});

let unread = 0;
let pauseTimer = null;
let olderIsLoading = false;
const title = document.title;

function socketAddress() {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${page.socket}`;
}

function onState(state) {
  status.show(state);
  if (state.name !== "open") return;
  outbox.rewind();
  flush();
  fetchMissed();
}

function onFrame(frame) {
  const { type = "message" } = frame;
  if (type === "message") receive(frame);
  if (type === "error") refused(frame);
}

function say(handle, message) {
  show(outbox.add(handle, message));
  scroll.toEnd();
  flush();
}

function flush() {
  if (connection.isOpen) outbox.flush((fields) => connection.send(fields));
}

function receive(message) {
  const isOwn = Boolean(message.nonce && outbox.remove(message.nonce));
  if (!log.add(message)) {
    if (isOwn) log.remove(message.nonce);
    return;
  }
  find("empty").hidden = true;
  if (isOwn) return;
  scroll.announce();
  if (scroll.isAtEnd && log.trim()) find("older").hidden = false;
  if (document.hidden) document.title = `(${++unread}) ${title}`;
}

function refused({ code, detail, nonce }) {
  const entry = nonce && outbox.refuse(nonce, code, detail);
  if (!entry) return notice(detail);
  show(entry);
  if (entry.state === "waiting") {
    clearTimeout(pauseTimer);
    pauseTimer = setTimeout(resume, PAUSE);
  }
}

function resume() {
  for (const entry of outbox.release()) show(entry);
  flush();
}

/** Show an entry of the outbox, with what a person can do about it if it failed. */
function show(entry) {
  const discard = () => {
    outbox.remove(entry.nonce);
    log.remove(entry.nonce);
  };
  const edit = () => {
    discard();
    composer.edit(entry);
  };
  if (entry.state === "failed") log.show(entry, [["Edit", edit], ["Discard", discard]]);
  else log.show({ ...entry, detail: "Too fast for the room: it will be sent in a moment." });
  find("empty").hidden = true;
}

/** What was said between the page, or the last socket, and this one. */
async function fetchMissed() {
  try {
    for await (const messages of catchUp.messages(log.idBefore(SETTLED))) messages.forEach(receive);
  } catch (error) {
    console.warn(error);
    setTimeout(() => connection.isOpen && fetchMissed(), PAUSE);
  }
}

async function loadOlder() {
  if (olderIsLoading) return;
  olderIsLoading = true;
  try {
    const { messages, more } = await history.before(page.history, log.ids[0]);
    find("log").ariaBusy = "true"; // or a screen reader would read them all out
    scroll.keep(() => messages.forEach((message) => log.add(message)));
    find("older").hidden = !more;
  } catch (error) {
    notice(`Earlier messages did not come: ${error.message}`);
  } finally {
    find("log").ariaBusy = "false";
    olderIsLoading = false;
  }
}

function notice(sentence) {
  find("notice").textContent = sentence;
  find("notice").hidden = !sentence;
}

function comeBack() {
  if (document.hidden) return;
  unread = 0;
  document.title = title;
  connection.open();
}

async function copyAddress() {
  await navigator.clipboard.writeText(location.origin + location.pathname);
  find("invite").textContent = "Copied";
  setTimeout(() => (find("invite").textContent = "Copy link"), PAUSE);
}

for (const nonce of log.nonces) outbox.remove(nonce);
outbox.release();
for (const entry of outbox) show(entry);
if (log.size) find("empty").hidden = true;
find("older").hidden = !("more" in page);
find("invite").hidden = !navigator.clipboard;
scroll.toEnd();

find("older").addEventListener("click", loadOlder);
find("scroll").addEventListener("scroll", () => {
  if (find("scroll").scrollTop < 200 && !find("older").hidden) loadOlder();
});
find("invite").addEventListener("click", copyAddress);
find("now").addEventListener("click", () => connection.open());
document.addEventListener("visibilitychange", comeBack);
window.addEventListener("online", () => connection.open());
// A page that is left holds no socket, and may come back from the browser's cache as it was.
window.addEventListener("pagehide", () => connection.close());
window.addEventListener("pageshow", (event) => event.persisted && connection.open());
setInterval(() => connection.isOpen && outbox.isStale(STALE) && connection.restart(), PAUSE);

connection.open();
