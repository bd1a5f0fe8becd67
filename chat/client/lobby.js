/** The lobby: a live list of rooms. */

import { Connection } from "./connection.js";
import { find } from "./dom.js";
import { Rooms } from "./rooms.js";
import { Status } from "./status.js";
import { probeOnWakeup } from "./wakeup.js";

const TICK = 20_000;


const rooms = new Rooms(find("rooms"), find("room"), find("empty"));
const status = new Status(find("status"), () => connection.open());
const connection = new Connection(document.body.dataset.socket, {
  onState,
  onFrame: (frame) => frame.type === "rooms" && rooms.receive(frame.rooms),
  // The server sends the list to new sockets only.
  onProbe: () => connection.restart(),
});

function onState(state) {
  status.show(state);
  if (state.name === "open") rooms.expectAll();
}

setInterval(() => rooms.tick(), TICK);
rooms.tick();
probeOnWakeup(connection, { silence: Infinity });
connection.open();
