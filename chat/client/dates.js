/**
 * Moments in the reader's time zone and language.
 *
 * The current time comes from the server, so a wrong clock does not move messages to another day.
 */

import { t } from "./texts.js";

const DAY = 24 * 3_600_000;

const language = document.documentElement.lang;
// The reader's region if it has the language of the page. It decides between 3 PM and 15:00.
const locale = navigator.languages.find((each) => each.split("-")[0] === language.split("-")[0]);

const format = (options) => new Intl.DateTimeFormat(locale ?? language, options);
const clock = format({ hour: "numeric", minute: "2-digit" });
const weekday = format({ weekday: "long", day: "numeric", month: "long" });
const fullDay = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const exact = format({ dateStyle: "full", timeStyle: "long" });
const ago = new Intl.RelativeTimeFormat(locale ?? language, { numeric: "auto" });

let offset = Number(document.body.dataset.now) * 1_000 - Date.now() || 0;

/** The server's time in milliseconds, like Date.now(). */
export function now() {
  return Date.now() + offset;
}

/** Set the clock by the server's time. */
export function setNow(text) {
  const moment = Date.parse(text ?? "");
  if (moment) offset = moment - Date.now();
}

/** A key for the local day of a moment. */
export function dayOf(timestamp) {
  return new Date(timestamp).toDateString();
}

export function nameOfDay(timestamp) {
  const day = dayOf(timestamp);
  if (day === dayOf(now())) return t("Today");
  if (day === dayOf(now() - DAY)) return t("Yesterday");
  const isThisYear = new Date(timestamp).getFullYear() === new Date(now()).getFullYear();
  return (isThisYear ? weekday : fullDay).format(new Date(timestamp));
}

export function timeOf(timestamp) {
  return clock.format(new Date(timestamp));
}

export function exactTimeOf(timestamp) {
  return exact.format(new Date(timestamp));
}

/** "5 minutes ago". */
export function timeSince(timestamp) {
  const minutes = Math.round((now() - Date.parse(timestamp)) / 60_000);
  if (minutes < 1) return t("just now");
  if (minutes < 60) return ago.format(-minutes, "minute");
  if (minutes < 24 * 60) return ago.format(-Math.round(minutes / 60), "hour");
  return ago.format(-Math.round(minutes / (24 * 60)), "day");
}
