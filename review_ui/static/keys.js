// Single keys, rows, the dialog that shows the keys, toasts that go. Pages work without it.
// An element with data-key is clicked (a field is focused) by that key; with data-hold it gets the events "hold" and
// "release"; with data-repeat it follows a key held down. Which key is whose, the server writes into the page.

export const FIELDS = "textarea, select, input:not([type=range], [type=checkbox], [type=radio]), [contenteditable=true]";
const SIGNS = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: ".", Slash: "/" };
const SEQUENCE_MS = 1000;
let first = "";
let firstAt = 0;
let held = null;

// The key as it is written here; on layouts without Latin letters the one printed at its place.
export function names({ key, code }) {
  const written = key.toLowerCase();
  const printed = /^Key[A-Z]$/.test(code) ? code[3].toLowerCase() : (/^Digit(\d)$/.exec(code)?.[1] ?? SIGNS[code]);
  return /^[a-z0-9]$/.test(written) || !printed ? [written] : [written, printed];
}

function wanted(name) {
  const found = [...document.querySelectorAll("[data-key]")].filter((element) => element.dataset.key === name);
  return found.find((element) => !element.disabled && (element.offsetParent || element.hidden)) ?? null;
}

function act(element, event) {
  event.preventDefault();
  if ("hold" in element.dataset) {
    if (!event.repeat && !held) (held = element).dispatchEvent(new Event("hold", { bubbles: true }));
  } else if (event.repeat && !("repeat" in element.dataset)) return;
  else if (element.matches(FIELDS)) element.focus();
  else element.click();
}

function release() {
  held?.dispatchEvent(new Event("release", { bubbles: true }));
  held = null;
}

// Rows: whatever carries data-row inside data-rows is walked with the keys that the list names, and the arrows.
function walk(name, event) {
  const list = document.querySelector("[data-rows]");
  if (!list) return false;
  const way = { [list.dataset.next]: 1, arrowdown: 1, [list.dataset.previous]: -1, arrowup: -1 }[name];
  const rows = [...list.querySelectorAll("[data-row]")];
  if (!way || !rows.length) return false;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  rows[at < 0 ? (way > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + way))].focus();
  event.preventDefault();
  return true;
}

function press(event) {
  // Within a shadow root the event names its host; the path still begins where the key was pressed.
  const [target] = event.composedPath();
  if ((event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph")) return;
  if (event.key === "Escape" && target.matches(FIELDS)) return target.blur();
  if (target.closest(FIELDS) || document.querySelector("dialog[open], :popover-open")) return;
  // What is focused keeps the keys that it needs itself.
  if (event.key === " " && target.closest("button, a, summary, input")) return;
  if (event.key.startsWith("Arrow") && target.matches("input")) return;
  const pair = event.timeStamp - firstAt < SEQUENCE_MS ? first : "";
  for (const name of names(event)) {
    const element = (pair && wanted(`${pair} ${name}`)) || wanted(name);
    if (element) act(element, event);
    if (element || walk(name, event)) break;
  }
  if (!event.repeat) [first, firstAt] = [names(event).at(-1), event.timeStamp];
}

// What the service could not answer is said above the page, until it answers; pages that can ask again do, every 5 s.
function saySo({ detail: { ctx } }) {
  const place = document.querySelector("#problem");
  if (!ctx.response) {
    const said = Object.assign(document.createElement("p"), { className: "error", textContent: place.dataset.away });
    place.replaceChildren(said);
  } else if (ctx.response.raw.ok) place.replaceChildren();
  const again = document.querySelector("[data-retry]");
  if (again && place.childElementCount) setTimeout(() => again.dispatchEvent(new Event("retry")), 5000);
}

function goToasts() {
  for (const toast of document.querySelectorAll("#toasts > [data-seconds]:not([data-going])")) {
    toast.dataset.going = "";
    setTimeout(() => toast.remove(), Number(toast.dataset.seconds) * 1000);
  }
}

// Since seconds of the epoch.
function countUp() {
  for (const shown of document.querySelectorAll("[data-since]")) {
    shown.textContent = minutes(Math.max(0, Math.floor(Date.now() / 1000 - Number(shown.dataset.since))));
  }
}

export function minutes(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

setInterval(countUp, 1000);
document.body.dataset.live = "";
addEventListener("keydown", press);
addEventListener("keyup", (event) => held && names(event).includes(held.dataset.key) && release());
addEventListener("blur", release);
document.addEventListener("visibilitychange", release);
document.addEventListener("htmx:after:swap", goToasts);
document.addEventListener("htmx:finally:request", saySo);
document.addEventListener("click", (event) => {
  if (event.target.closest("#show-keys")) document.querySelector("#keys").showModal();
});
goToasts();
