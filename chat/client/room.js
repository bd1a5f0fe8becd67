/**
 * The room. A message goes to the outbox, over the socket to the server, and back to the log, as for
 * everybody in the room.
 */

import { Connection, Outbox, watchWakeups } from "../../client/src/index.js";
import { Actions } from "./actions.js";
import { Announcer } from "./announcer.js";
import { Changes } from "./changes.js";
import { Composer } from "./composer.js";
import { setNow } from "./dates.js";
import { Activity } from "./activity.js";
import { find, on } from "./dom.js";
import { ChosenSocket, watch } from "./fallback.js";
import * as history from "./history.js";
import { copyAddress } from "./invite.js";
import { Log } from "./log.js";
import { storedHere } from "./memory.js";
import { People } from "./people.js";
import { Presence } from "./presence.js";
import { Scroll } from "./scroll.js";
import { Status } from "./status.js";
import { t } from "./texts.js";
import { Unread } from "./unread.js";

// Milliseconds after which each message has arrived, even if its worker died.
const SETTLED = 60_000;
// If a message has not come back after these milliseconds, the socket is dead.
const STALE = 20_000;
// Milliseconds to wait after "too_fast", and after a failed request for the history.
const PAUSE = 2_000;
// Milliseconds between checks for messages past their edit time, and for a new day.
const MINUTE = 60_000;

const page = document.body.dataset;

// The reader: the public id in this room, and the account's name if there is one.
const me = {
  who: page.who ?? "",
  account: "account" in page,
  handle: page.account ?? "",
  isStaff: "staff" in page,
};

/** Said here and not back yet: `{handle, message}`. */
const outbox = new Outbox(storedHere(`chat.outbox.${page.label}`));
const changes = new Changes(storedHere(`chat.changes.${page.label}`));
const announcer = new Announcer(find("heard"));
const activity = new Activity(find("typing"), find("note"));
const actions = new Actions({
  menu: find("menu"),
  dialog: find("sure"),
  me,
  editTime: Number(page.editTime) * 1_000,
  messageOf: (id) => log.messages.get(id),
  onEdit: (message) => composer.edit(message),
  onDelete: (message) => change("delete", message),
});
const log = new Log(find("log"), find("message"), {
  me,
  decorate: (item, message) => actions.decorate(item, message),
});
const scroll = new Scroll(find("scroll"), find("log"), { onMove, onEdge });
const unread = new Unread(page.label, { log, scroll, button: find("newest") });
const people = new People({
  panel: find("people"),
  button: find("people-button"),
  dialog: find("people-dialog"),
  template: find("person"),
  me,
});
const presence = new Presence({ onChange: showPeople, onGap: askForPeopleSoon });
const status = new Status(find("status"), () => connection.open());
const catchUp = new history.CatchUp(log.messages.last?.id ?? 0, Number(page.change ?? 0));
const connection = new Connection(page.socket, { probe: askForPeople, WebSocket: ChosenSocket });
const composer = new Composer(find("composer"), {
  label: page.label,
  limits: { handle: Number(page.handleLength), message: Number(page.messageLength) },
  me,
  handlers: {
    say,
    edit: (message, text) => change("edit", message, text),
    remove: (message) => actions.sure(message),
    editLast,
    typing: () => send({ type: "typing", handle: composer.handle }),
    name: askForPeople,
    trouble: notice,
  },
});

let pauseTimer = null;
let gapTimer = null;
let olderIsLoading = false;
// Edits and deletions of messages that are not here and may be on their way.
let toldEarly = 0;

/* ------------------------------------------------------------------------- frames of the socket */

function onState(state) {
  status.show(state);
  if (state.name !== "open") return;
  presence.forget();
  outbox.rewind();
  changes.rewind();
  askForPeople();
  flush();
  fetchMissed();
}

const receivers = {
  message: (frame) => receive(frame),
  edited: changed,
  deleted: changed,
  typing: (frame) => frame.who !== me.who && activity.typing(frame),
  presence: gotPeople,
  account: becomeSomebody,
  error: refused,
};

/** Send a frame, if there is a connection. Returns whether there is. */
function send(fields) {
  return connection.send(JSON.stringify(fields));
}

function onFrame(frame) {
  receivers[frame.type ?? "message"]?.(frame);
}

/** A message arrived, by the socket or from the history. */
function receive(message) {
  const isOwn = Boolean(message.nonce && outbox.remove(message.nonce)) || message.who === me.who;
  activity.stopTyping(message.who);
  if (!log.add(message)) return changes.settle(message);
  find("empty").hidden = true;
  if (isOwn || message.deleted) return unread.look();
  unread.count(message);
  announcer.announce(message);
  if (!scroll.isAtEnd) log.trimEnd();
  else if (log.trim()) find("older").hidden = false;
}

/** A message was edited or deleted. */
function changed(message) {
  if (message.change) {
    catchUp.heard(message.change);
    toldEarly += !log.messages.get(message.id);
  }
  changes.settle(message);
  if (message.deleted && composer.editedId === message.id) composer.stopEditing();
  scroll.keep(() => log.update(message));
}

function refused({ code, detail, nonce }) {
  const entry = code === "too_fast" ? outbox.holdBack(nonce, detail) : outbox.refuse(nonce, detail);
  // The log-in may have ended unnoticed. The answer has the current person.
  if (code === "forbidden" && me.account) askForPeople();
  const isSlow = code === "too_fast" && (entry || changes.holdBack(nonce, detail));
  if (isSlow) {
    clearTimeout(pauseTimer);
    pauseTimer = setTimeout(resume, PAUSE);
  }
  if (entry) show(entry);
  else if (!isSlow) undo(changes.remove(nonce)?.content, detail);
  // The list of people may be missing: the address asked too often, or the remembered name is no longer
  // valid. Ask again, without the name.
  if (!nonce && (code === "too_fast" || code === "bad_message")) askForPeopleSoon();
}

/** A change of a message failed. Keep the typed text. */
function undo(request, detail) {
  notice(detail);
  const message = log.messages.get(request?.id);
  if (request?.type === "edit" && message && !message.deleted) {
    composer.edit(message, request.message);
    notice(detail);
  }
}

/** A list of people also has the reader, who may have changed with the socket. */
function gotPeople(frame) {
  if (frame.you) becomeSomebody(frame.you);
  presence.receive(frame);
}

/** The reader logged in or out, perhaps in another tab. */
function becomeSomebody({ who, handle, account = false }) {
  if (who === me.who) return;
  Object.assign(me, { who, handle: account ? handle : "", account, isStaff: me.isStaff && account });
  if (account) page.account = handle;
  else delete page.account;
  composer.stopEditing();
  composer.showAccount();
  log.refresh();
  askForPeople();
}

/* ----------------------------------------------------------------------- actions of the reader */

function say(handle, message) {
  log.showTheEnd();
  unread.clear();
  show(outbox.add({ handle, message }));
  scroll.toEnd();
  flush();
}

function change(type, message, text) {
  changes.ask(type, message.id, text);
  flush();
}

function flush() {
  for (const each of [outbox, changes]) each.flush(({ nonce, content }) => send({ ...content, nonce }));
}

function resume() {
  changes.release();
  for (const entry of outbox.release()) show(entry);
  flush();
}

/** Edit the reader's last message, if there is one. */
function editLast() {
  const message = log.messages.findLast((each) => actions.canEdit(each));
  if (!message) return false;
  composer.edit(message);
  log.itemOf(message.id)?.scrollIntoView({ block: "nearest" });
  return true;
}

/** Show an entry of the outbox, with its actions if it failed. */
function show({ content, ...rest }) {
  const entry = { ...content, ...rest };
  const discard = () => {
    outbox.remove(entry.nonce);
    log.remove(entry.nonce);
    composer.focus();
  };
  const edit = () => {
    discard();
    composer.takeBack(entry);
  };
  const retry = () => {
    const { handle, message } = content;
    show(outbox.retry(entry.nonce, { handle: composer.handle || handle, message }));
    composer.focus();
    flush();
  };
  if (entry.state === "failed")
    log.show(entry, [[t("Retry"), retry], [t("Edit"), edit], [t("Discard"), discard]]);
  else log.show({ ...entry, detail: t("Too fast for the room: it will be sent in a moment.") });
  find("empty").hidden = true;
}

/* ----------------------------------------------------------------------------------- who is here */

function askForPeople() {
  const { handle } = composer;
  send({ type: "presence", ...(handle && { handle }) });
}

function askForPeopleSoon() {
  gapTimer ??= setTimeout(() => {
    gapTimer = null;
    send({ type: "presence" });
  }, PAUSE);
}

function showPeople(persons, { known, person } = {}) {
  people.show(persons);
  const { who } = person ?? known ?? {};
  if (!who || who === me.who) return;
  if (!known) activity.joined(who, person.handle);
  else if (!person) activity.left(who, known.handle);
  else activity.renamed(who, person.handle);
}

/* -------------------------------------------------------------------------------------- history */

/** Fetch the messages between the page, or the last socket, and this one. */
async function fetchMissed() {
  const told = toldEarly;
  try {
    for await (const { messages, changed: edited = [], moment } of catchUp.pages(
      log.idBefore(SETTLED),
    )) {
      setNow(moment);
      edited.forEach(changed);
      messages.forEach(receive);
    }
    if (told !== toldEarly) fetchMissed();
  } catch (error) {
    console.warn(error);
    setTimeout(() => connection.isOpen && fetchMissed(), PAUSE);
  }
}

async function loadOlder() {
  if (olderIsLoading) return;
  olderIsLoading = true;
  try {
    const told = toldEarly;
    const { messages, more } = await history.before(log.messages.first.id);
    // The answer may lack a change that arrived meanwhile, so ask again.
    if (told === toldEarly) {
      scroll.keep(() => log.addEarlier(messages));
      find("older").hidden = !more;
    } else setTimeout(loadOlder);
  } catch (error) {
    notice(t("Earlier messages did not come: {reason}", { reason: error.message }));
  } finally {
    olderIsLoading = false;
  }
}

/** The view is near an end of the window. */
function onEdge(edge) {
  if (edge === "end") {
    if (!log.showsEnd) scroll.keep(() => log.showLater());
  } else if (!log.showsStart) scroll.keep(() => log.showEarlier());
  else if (!find("older").hidden) loadOlder();
}

function onMove() {
  unread.look();
}

/* ---------------------------------------------------------------------------------------- begin */

function notice(sentence) {
  find("notice").textContent = sentence;
  find("notice").hidden = !sentence;
}

for (const item of find("log").children) outbox.remove(item.dataset.nonce);
outbox.release();
for (const entry of outbox) show(entry);
find("empty").hidden = !log.isEmpty;
find("older").hidden = !("more" in page);
unread.begin();
scroll.toEnd();

on(find("older"), "click", loadOlder);
on(find("newest"), "click", () => {
  log.showTheEnd();
  scroll.toEnd();
  composer.focus();
});
find("invite").parentElement.hidden = !navigator.clipboard;
on(find("invite"), "click", (event) => copyAddress(event.currentTarget));
on(document, "visibilitychange", () => unread.look());
setInterval(() => log.tick(), MINUTE);
setInterval(() => {
  if (connection.isOpen && [outbox, changes].some((each) => each.isStale(STALE))) connection.restart();
}, PAUSE);

connection.on("state", onState);
connection.on("data", (data) => onFrame(JSON.parse(data)));
watch(connection, page.http);
watchWakeups(connection);
connection.open();
