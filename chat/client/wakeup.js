/**
 * Looks after a connection when the machine slept, the page was hidden, or the network came back.
 *
 * A socket may be dead for long before a browser says so, and a timer that waits may have slept.
 */

import { on } from "./dom.js";

const TICK = 2_000;
// A tick that comes so much later than it should: the machine slept, or its clock was set.
const JUMP = 10_000;
// A page that is seen and hears nothing for so long asks.
const SILENCE = 60_000;

export function probeOnWakeup(connection, { silence = SILENCE } = {}) {
  let tickedAt = Date.now();
  let isAway = false;

  function tick() {
    const passed = Date.now() - tickedAt;
    tickedAt = Date.now();
    const slept = Math.abs(passed - TICK) > JUMP && !document.hidden;
    const isSilent = connection.isOpen && connection.silence > silence && !document.hidden;
    if (!isAway && (slept || isSilent)) connection.probe();
  }

  function show() {
    if (document.hidden || isAway) return;
    if (!connection.isOpen || connection.silence > silence) connection.probe();
  }

  setInterval(tick, TICK);
  on(document, "visibilitychange", show);
  on(window, "online", () => connection.probe());
  on(window, "offline", () => connection.isOpen && connection.probe());
  // A page that is left holds no socket, and may come back from the browser's cache as it was.
  on(window, "pagehide", () => {
    isAway = true;
    connection.close();
  });
  on(window, "pageshow", (event) => {
    isAway = false;
    if (event.persisted) connection.open();
  });
}
