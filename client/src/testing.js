/** Servers that need no network, for the tests of pages. */

export { ChannelsError } from "./errors.js";
export { FakeServer } from "./fakeserver.js";
export { FakeWebSocket } from "./fakewebsocket.js";
