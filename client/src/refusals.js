/**
 * Tells a refused handshake from a site that does not answer. A WebSocket of a browser ends with 1006 in both
 * cases.
 *
 * @param {import("./connection.js").Connection} connection
 * @param {string | URL} healthUrl a page of the site that costs little, such as that of `HEALTH_PATH`
 * @param {(isReachable: boolean) => void} listener is called after each socket that did not open: with true if
 *   the site answers, so that it was refused
 * @param {number} [timeout] milliseconds that the page may take
 * @returns {() => void} a function that ends it
 */
export function watchRefusals(connection, healthUrl, listener, timeout = 6_000) {
  return connection.on("state", async (state) => {
    if (state.name !== "lost" || state.wasOpen) return;
    const options = /** @type {const} */ ({ mode: "no-cors", cache: "no-store" });
    const signal = AbortSignal.timeout(timeout);
    const isReachable = await fetch(healthUrl, { ...options, signal }).then(
      () => true,
      () => false,
    );
    if (connection.state === state) listener(isReachable);
  });
}
