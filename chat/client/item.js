/**
 * One message of the log as a list item.
 *
 * Items come from the template in the page, the same that the server renders.
 */

import { dayOf, exactTimeOf, nameOfDay, now, timeOf } from "./dates.js";
import { make, makeButton, one } from "./dom.js";
import { withLinks } from "./links.js";
import { dress } from "./persons.js";
import { t } from "./texts.js";

// Messages of one person within this time have one head.
const GROUPING_TIME = 5 * 60_000;

/** The message in an item that the server rendered. */
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

/** Fill the item with the message. */
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

/** Mark whether the item begins a day, and whether it continues messages of one person. */
export function place(item, message, previous) {
  one(item, ".day")?.remove();
  const isNewDay = !previous || dayOf(previous.timestamp) !== dayOf(message.timestamp);
  if (isNewDay) item.prepend(make("h2", "day", nameOfDay(message.timestamp)));
  item.classList.toggle("follows", !isNewDay && isTogether(previous, message));
}

/** The line above the first unread message. */
export function markNew(item, isNew) {
  one(item, ".new")?.remove();
  if (!isNew) return;
  const mark = make("div", "new", t("New messages"));
  const day = one(item, ".day");
  if (day) day.after(mark);
  else item.prepend(mark);
}

/** Why a message was not sent, and its actions, each as [label, function]. */
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
  return isSame && Date.parse(message.timestamp) - Date.parse(previous.timestamp) < GROUPING_TIME;
}
