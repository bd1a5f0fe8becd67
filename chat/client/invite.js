/** Copies the address of the room, for sending it to somebody. */

import { one } from "./dom.js";
import { t } from "./texts.js";

const SHOWN = 2_000;

export async function copyAddress(button) {
  const words = one(button, "span");
  const before = words.textContent;
  if (before === t("Copied")) return;
  await navigator.clipboard.writeText(location.origin + location.pathname);
  words.textContent = t("Copied");
  setTimeout(() => (words.textContent = before), SHOWN);
}
