/**
 * Probes the connection when the machine wakes, the page is shown, or the network is back.
 *
 * Browsers report dead sockets late, and timers sleep with the machine.
 */

import { on } from "./dom.js";

const TICK = 2_000;
// A tick that is off by so much means that the machine slept, or its clock was set.
const JUMP = 10_000;
// A visible page probes after so long without a frame.
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
  // A page in the back/forward cache has no socket, and may come back as it was.
  on(window, "pagehide", () => {
    isAway = true;
    connection.close();
  });
  on(window, "pageshow", (event) => {
    isAway = false;
    if (event.persisted) connection.open();
  });
}
