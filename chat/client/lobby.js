/** The lobby: a live list of rooms. */

import { Connection, watchWakeups } from "../../client/src/index.js";
import { find } from "./dom.js";
import { Rooms } from "./rooms.js";
import { Status } from "./status.js";

const TICK = 20_000;

const rooms = new Rooms(find("rooms"), find("room"), find("empty"));
const status = new Status(find("status"), () => connection.open());
const connection = new Connection(document.body.dataset.socket, {
  // The server sends the list to new sockets only.
  probe: () => connection.restart(),
});

function onState(state) {
  status.show(state);
  if (state.name === "open") rooms.expectAll();
}

setInterval(() => rooms.tick(), TICK);
rooms.tick();
connection.on("state", onState);
connection.on("data", (data) => {
  const frame = JSON.parse(data);
  if (frame.type === "rooms") rooms.receive(frame.rooms);
});
watchWakeups(connection, { silence: Infinity });
connection.open();
