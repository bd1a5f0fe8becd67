// What the status page shows: tables, numbers with their curves, problems, and how it is connected.
//
// connection.js tells it by the events cw:state and cw:mode. Names of channels, hosts and consumers
// come from others: they enter the page as text only.

const config = JSON.parse(document.getElementById("cw-config").textContent);
const language = document.documentElement.lang || "en";

// How much of the past the curves show at first, and at most (s).
const PAST = { least: 60, most: 300 };

const live = document.getElementById("cw-live");
const asOf = document.getElementById("cw-at");

function t(text, values = {}) {
  return (config.texts[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Changes nothing if nothing has changed: screen readers and selections stay undisturbed.
function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// Numbers and times

const numbers = new Intl.NumberFormat(language);
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
].map(([unit, seconds]) => ({
  seconds,
  format: new Intl.NumberFormat(language, {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: unit === "second" ? 0 : 1,
  }),
}));

function duration(seconds) {
  const least = Math.max(0, seconds);
  const unit = UNITS.find((each) => least >= 2 * each.seconds) ?? UNITS.at(-1);
  return unit.format.format(least / unit.seconds);
}

const STATES = { open: t("open"), new: t("new"), draining: t("draining"), away: t("away") };

const AS = {
  state: (value) => STATES[value] ?? value,
  text: (value) => String(value),
  number: (value) => numbers.format(value),
  duration: (value, row, state) => (value ? duration(state.at - value) : "–"),
  seconds: (value) => (value === null ? "–" : duration(value)),
  count: (value, row) => {
    if (value === null) {
      return t("unknown");
    }
    return row.is_more
      ? t("more than {count}", { count: numbers.format(value) })
      : numbers.format(value);
  },
};

const TAGS = {
  away: t("does not answer"),
  lagging: t("lags"),
  slow: t("slow"),
  unheard: t("nobody listens"),
};

// Tables

const tables = [...document.querySelectorAll("table[data-rows]")].map((table) => ({
  body: table.tBodies[0],
  rows: table.dataset.rows,
  columns: [...table.tHead.rows[0].cells].map((cell) => ({
    field: cell.dataset.field,
    as: cell.dataset.as ?? "text",
    tag: cell.dataset.tag,
    className: cell.className,
  })),
}));

function makeCell(column, isFirst) {
  const cell = document.createElement(isFirst ? "th" : "td");
  cell.className = column.className;
  if (isFirst) {
    cell.scope = "row";
  }
  cell.append(document.createElement("span"));
  return cell;
}

function fillCell(cell, column, row, state) {
  setText(cell.lastChild, AS[column.as](row[column.field], row, state));
  const isTagged = Boolean(column.tag && row[column.tag]);
  if (isTagged === (cell.childElementCount > 1)) {
    return;
  }
  if (isTagged) {
    const tag = document.createElement("span");
    tag.className = "cw-tag";
    tag.textContent = TAGS[column.tag];
    cell.prepend(tag, " ");
  } else {
    cell.replaceChildren(cell.lastChild);
  }
}

function fillTable({ body, rows, columns }, state) {
  const found = state[rows] ?? [];
  body.querySelector(".cw-none")?.remove();
  while (body.rows.length > found.length) {
    body.rows[body.rows.length - 1].remove();
  }
  found.forEach((row, at) => {
    const line = body.rows[at] ?? body.insertRow();
    columns.forEach((column, number) => {
      const cell = line.cells[number] ?? line.appendChild(makeCell(column, number === 0));
      fillCell(cell, column, row, state);
    });
  });
  if (!found.length) {
    const cell = body.insertRow().insertCell();
    cell.parentElement.className = "cw-none";
    cell.colSpan = columns.length;
    cell.textContent = t("none");
  }
  const note = document.querySelector(`[data-hidden="${rows}"]`);
  if (note) {
    const count = state.hidden[rows];
    note.hidden = !count;
    setText(note, t("{count} more are not shown.", { count: numbers.format(count) }));
  }
}

// Numbers at a glance, with a curve of the last minutes

const tiles = [...document.querySelectorAll("[data-total]")].map((element) => ({
  element,
  name: element.dataset.total,
  of: element.dataset.of,
  curve: element.querySelector("polyline"),
  past: [],
}));

function drawCurve({ element, curve, past }, now) {
  const peak = Math.max(...past.map((each) => each.value));
  const span = Math.max(PAST.least, now - past[0].at);
  const places = past.map(({ at, value }) => {
    const x = 120 * (1 - (now - at) / span);
    return `${x.toFixed(1)},${(26 - (24 * value) / Math.max(peak, 1)).toFixed(1)}`;
  });
  curve.setAttribute("points", places.join(" "));
  const text = t("peak {count}", { count: numbers.format(peak) });
  setText(element.querySelector(".cw-peak"), text);
}

function fillTile(tile, state) {
  const value = state.totals[tile.name];
  const small = tile.element.querySelector(".cw-small");
  if (value === null) {
    return;
  }
  setText(tile.element.querySelector(".cw-big"), numbers.format(value));
  if (tile.of) {
    setText(small, t("of {count}", { count: numbers.format(state.totals[tile.of]) }));
  } else if (tile.name === "delayed") {
    const due = state.next_due && new Date(state.next_due * 1000);
    setText(small, due ? t("next {time}", { time: clock.format(due) }) : "");
  }
  tile.past.push({ at: state.at, value });
  tile.past = tile.past.filter((each) => each.at > state.at - PAST.most && each.at <= state.at);
  drawCurve(tile, state.at);
}

// Problems

const PROBLEMS = {
  recovering: "Redis has lost its data. All processes register again.",
  no_workers: "No worker runs.",
  lagging: "Servers that do not keep up with their inbox: {count}",
  slow: "Consumers that run for too long: {count}",
  unheard: "Channels with messages that no live worker listens to: {count}, such as {what}",
  releases: "The processes have several releases: {what}",
  shards_away: "Shards that do not answer: {what}. Their sockets wait.",
  shards_unknown: "Processes that do not know all shards: see manage.py shards.",
  set_aside: "Set aside as unreadable: {count}. See manage.py deadletters aside.",
  unreadable: "Keys or fields that cannot be read, and are not counted: {count}",
};

function fillProblems(problems) {
  const list = document.getElementById("cw-problems");
  list.hidden = !problems.length;
  while (list.children.length > problems.length) {
    list.lastChild.remove();
  }
  problems.forEach(({ kind, count, what }, at) => {
    const item = list.children[at] ?? list.appendChild(document.createElement("li"));
    setText(item, t(PROBLEMS[kind], { count: numbers.format(count), what }));
  });
}

function show(state) {
  document.querySelector(".cw").classList.toggle("cw-stale", Boolean(state.unavailable));
  if (state.unavailable) {
    return;
  }
  setText(asOf, t("As of {time}", { time: clock.format(new Date(state.at * 1000)) }));
  setText(document.getElementById("cw-format"), String(state.format));
  fillProblems(state.problems);
  tiles.forEach((tile) => fillTile(tile, state));
  tables.forEach((table) => fillTable(table, state));
}

// How the page is connected. It changes only with the mode, because it is read out.

const MODES = {
  live: "Live: the page follows the engine.",
  opening: "Opening the socket…",
  asking: "Not live: no socket is open. The page asks every {seconds} s.",
  unrouted: "Not live: the routing lacks the socket. The page asks every {seconds} s.",
  unavailable: "The layer does not answer. The page goes on asking.",
  unreachable: "The site does not answer. The page goes on asking.",
  forbidden: "You may no longer see this page.",
  logged_out: "You are logged out. Load the page again to log in.",
  paused: "Paused while the page is hidden.",
};

function showMode(mode, seconds) {
  live.dataset.mode = mode;
  setText(live, t(MODES[mode], { seconds }));
}

document.addEventListener("cw:state", ({ detail }) => show(detail));
document.addEventListener("cw:mode", ({ detail }) => showMode(detail.mode, detail.seconds));
