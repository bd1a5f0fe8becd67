/** Delays between attempts to connect, in milliseconds. */

// What a server of channels-workers says in the reason of close codes 4013 and 4014, before the seconds.
const RETURN = "retry-after: ";

/**
 * The delay after so many failures in a row, the first of which is 0. It doubles up to `longest`,
 * and half of it is random: after a restart not all clients may come back at once.
 *
 * @param {number} failures
 * @param {number} first
 * @param {number} longest
 */
export function delayAfter(failures, first, longest) {
  return Math.min(longest, first * 2 ** Math.min(failures, 30)) * (0.5 + Math.random() / 2);
}

/**
 * The delay that the reason of a close frame asks for, up to an hour, plus up to half of it; `undefined` without
 * one.
 *
 * @param {string} reason
 */
export function delayToldBy(reason) {
  const seconds = Number.parseFloat(reason.split(RETURN)[1]);
  return seconds >= 0 ? Math.min(seconds, 3_600) * 1_000 * (1 + Math.random() / 2) : undefined;
}

/**
 * The milliseconds for so many seconds that an `error` frame asks for: a second without them, and up to an hour.
 *
 * @param {number | undefined} seconds
 */
export function pauseOf(seconds) {
  return seconds && seconds > 0 ? Math.min(seconds, 3_600) * 1_000 : 1_000;
}
