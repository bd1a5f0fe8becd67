// The connection of the status page: the socket of the engine, or questions while none is open.
//
// show.js shows what it hears, and the mode.

const config = JSON.parse(document.getElementById("cw-config").textContent);

// How often a page without a socket asks, how long a handshake and a push may take, and how long a
// hidden page stays connected (ms).
const ASK = 5_000;
const OPENING = 30_000;
const SILENCE = 6_000;
const HIDDEN = 30_000;

let mode = "opening";
let socket = null;
let failures = 0;
let hasEnded = false;
let asking = 0;
let silence = 0;
let reopening = 0;
let hiding = 0;

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

function setMode(to) {
  mode = to;
  tell("cw:mode", { mode, seconds: ASK / 1000 });
}

function show(state) {
  tell("cw:state", state);
}

function open() {
  if (!config.socket || socket || hasEnded) {
    return;
  }
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const token = encodeURIComponent(config.token);
  const url = `${scheme}//${location.host}${config.socket}?token=${token}`;
  let opened;
  try {
    opened = new WebSocket(url);
  } catch {
    lose(); // the policy of the site forbids it
    return;
  }
  socket = opened;
  silence = setTimeout(lose, OPENING);
  opened.onopen = listen;
  opened.onmessage = ({ data }) => {
    if (socket !== opened) {
      return;
    }
    const { state } = JSON.parse(data);
    failures = 0;
    clearTimeout(asking);
    listen();
    show(state);
    setMode(state.unavailable ? "unavailable" : "live");
  };
  // Chromium tells only of an error if a policy of the site refuses the socket.
  opened.onerror = opened.onclose = () => {
    if (socket === opened) {
      lose();
    }
  };
}

function listen() {
  clearTimeout(silence);
  silence = setTimeout(lose, SILENCE);
}

// Asks at once: the answer says whether the user may still see this, and has a new token.
function lose() {
  drop();
  failures += 1;
  const wait = Math.min(60_000, 1_000 * 2 ** failures) * (1 + Math.random() / 2);
  clearTimeout(reopening);
  reopening = setTimeout(open, wait);
  ask();
}

function drop() {
  clearTimeout(silence);
  const dropped = socket;
  socket = null;
  dropped?.close();
}

function end(mode) {
  hasEnded = true;
  drop();
  [asking, reopening].forEach(clearTimeout);
  setMode(mode);
}

async function ask() {
  clearTimeout(asking);
  if (hasEnded) {
    return;
  }
  const found = await answer();
  if (hasEnded || mode === "paused" || (socket && mode === "live")) {
    return;
  }
  setMode(found);
  clearTimeout(asking);
  asking = setTimeout(ask, ASK);
}

async function answer() {
  let response;
  try {
    response = await fetch(config.poll, { cache: "no-store", redirect: "manual" });
    if (response.type === "opaqueredirect") {
      end("logged_out");
    } else if (response.status === 403) {
      end("forbidden");
    } else {
      const { state, token } = await response.json();
      config.token = token;
      show(state);
      if (state.unavailable) {
        return "unavailable";
      }
    }
  } catch {
    return "unreachable";
  }
  return config.socket ? "asking" : "unrouted";
}

// A page that nobody sees costs nothing.
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.visibilityState === "hidden") {
    hiding = setTimeout(pause, HIDDEN);
  } else if (mode === "paused") {
    start();
  }
});

function pause() {
  if (!hasEnded) {
    drop();
    [asking, reopening].forEach(clearTimeout);
    setMode("paused");
  }
}

function start() {
  failures = 0;
  setMode(config.socket ? "opening" : "unrouted");
  if (config.socket) {
    open();
  } else {
    ask();
  }
}

show(config.state);
start();
