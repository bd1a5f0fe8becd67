/**
 * Probes a connection when the machine wakes, the page is shown, or the network is back.
 *
 * Browsers report dead sockets late, and timers sleep with the machine.
 */

const TICK = 2_000;
// A tick that is off by so much means that the machine slept, or its clock was set.
const JUMP = 10_000;

/**
 * Look after `connection` as long as the page lives. In Node.js, until the returned function is called.
 *
 * @param {import("./connection.js").Connection} connection
 * @param {object} [options]
 * @param {number} [options.silence] milliseconds without a frame after which a visible page probes
 * @returns {() => void} a function that ends it
 */
export function watchWakeups(connection, { silence = 60_000 } = {}) {
  const page = globalThis.document;
  const ended = new AbortController();
  let tickedAt = Date.now();
  let isAway = false;

  const isHidden = () => Boolean(page?.hidden);
  const isSilent = () => connection.isOpen && connection.silence > silence;
  const isWanted = () => connection.state.name !== "closed" && !isAway;

  function tick() {
    const passed = Date.now() - tickedAt;
    tickedAt = Date.now();
    const slept = Math.abs(passed - TICK) > JUMP;
    if (isWanted() && !isHidden() && (slept || isSilent())) connection.probe();
  }

  /**
   * @param {EventTarget | undefined} target
   * @param {string} type
   * @param {(event: any) => void} listener
   */
  const on = (target, type, listener) =>
    target?.addEventListener(type, listener, { signal: ended.signal });

  on(page, "visibilitychange", () => {
    if (isWanted() && !isHidden() && (!connection.isOpen || isSilent())) connection.probe();
  });
  if (page) {
    on(globalThis, "online", () => isWanted() && connection.probe());
    on(globalThis, "offline", () => isWanted() && connection.isOpen && connection.probe());
    // A page in the back/forward cache has no socket, and may come back as it was.
    on(globalThis, "pagehide", () => {
      isAway = connection.state.name !== "closed";
      if (isAway) connection.close();
    });
    on(globalThis, "pageshow", () => {
      if (isAway) connection.open();
      isAway = false;
    });
  }
  const ticking = setInterval(tick, TICK);
  return () => {
    clearInterval(ticking);
    ended.abort();
  };
}
