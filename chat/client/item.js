/**
 * One message of the log, in an item of the list.
 *
 * Items are made from the page's own template, the same that the server fills for the history.
 */

import { dayOf, exactTimeOf, nameOfDay, now, timeOf } from "./dates.js";
import { make, makeButton, one } from "./dom.js";
import { withLinks } from "./links.js";
import { dress } from "./persons.js";
import { t } from "./texts.js";

// Messages of one person in so short a time stand under one name.
const TOGETHER = 5 * 60_000;

/** What an item of the page says, which the server wrote. */
export function read(item) {
  const { id, who, account, edited } = item.dataset;
  return {
    id: Number(id),
    who,
    account: account !== undefined,
    edited,
    deleted: item.classList.contains("deleted"),
    handle: one(item, ".handle").textContent,
    message: one(item, ".text").textContent,
    timestamp: one(item, "time").dateTime,
  };
}

/** Make the item say what the message says. */
export function fill(item, message, me) {
  const timestamp = message.timestamp ?? new Date(now()).toISOString();
  item.dataset.who = message.who;
  item.classList.toggle("own", message.who === me.who);
  item.classList.toggle("deleted", Boolean(message.deleted));
  dress(item, message);
  const time = one(item, "time");
  time.dateTime = timestamp;
  time.textContent = timeOf(timestamp);
  time.title = exactTimeOf(timestamp);
  const text = one(item, ".text");
  if (message.deleted) text.textContent = t("This message was deleted");
  else text.replaceChildren(withLinks(message.message));
  if (message.edited && !message.deleted) text.append(" ", editedNote(message.edited));
}

/** Whether the item begins a day, and whether it follows another message of the same person. */
export function place(item, message, previous) {
  one(item, ".day")?.remove();
  const isNewDay = !previous || dayOf(previous.timestamp) !== dayOf(message.timestamp);
  if (isNewDay) item.prepend(make("h2", "day", nameOfDay(message.timestamp)));
  item.classList.toggle("follows", !isNewDay && isTogether(previous, message));
}

/** The line above the first message that the reader has not seen. */
export function markNew(item, isNew) {
  one(item, ".new")?.remove();
  if (!isNew) return;
  const mark = make("p", "new", t("New messages"));
  const day = one(item, ".day");
  if (day) day.after(mark);
  else item.prepend(mark);
}

/** Why a message was not sent, and what a person can do about it: [label, function] each. */
export function setTrouble(item, detail, actions) {
  one(item, ".trouble")?.remove();
  if (!detail) return;
  const trouble = make("p", "trouble", detail);
  for (const [label, act] of actions) {
    trouble.append(" ", makeButton("link", label, act));
  }
  item.append(trouble);
}

function editedNote(edited) {
  const note = make("span", "edited", t("(edited)"));
  note.title = exactTimeOf(edited);
  return note;
}

function isTogether(previous, message) {
  if (previous.deleted || message.deleted) return false;
  const isSame = previous.who === message.who && previous.handle === message.handle;
  return isSame && Date.parse(message.timestamp) - Date.parse(previous.timestamp) < TOGETHER;
}
