/** Copies the address of the room, to share it. */

import { t } from "./texts.js";

const SHOWN = 2_000;

export async function copyAddress(button) {
  const before = button.textContent;
  if (before === t("Copied")) return;
  await navigator.clipboard.writeText(location.origin + location.pathname);
  button.textContent = t("Copied");
  setTimeout(() => (button.textContent = before), SHOWN);
}
