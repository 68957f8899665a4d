// The work on a case: the hold, answers that outlive a lost network, reasons by digit. The forms work without it.
import { prepare } from "./player.js";

const RENEW_EVERY_MS = 60_000;
const SOON_S = 30;
const RESEND_MS = 3000;
const WORK_MS = 50 * 60_000;
const find = (selector) => document.querySelector(selector);
const began = Date.now();
let active = 0;
let asked = Date.now();
let ends = 0;
let shown = null;
let waiting = null;
let rested = false;

function notice(name) {
  const place = find("#notice");
  if (!place || place.dataset.now === name) return;
  place.dataset.now = name;
  place.textContent = name ? place.dataset[name] : "";
}

function readLease() {
  const lease = find("#lease");
  // A form that came back leaves the clock as it is.
  if (lease === shown) return;
  shown = lease;
  [ends, asked] = [lease ? Date.now() + lease.dataset.left * 1000 : 0, Date.now()];
}

async function renew(lease) {
  asked = Date.now();
  const answer = await fetch(`/v1/cases/${lease.dataset.case}/renew`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ lease_token: lease.dataset.token }),
  }).catch(() => null);
  if (lease !== find("#lease")) return;
  if (answer?.ok) ends = Date.parse((await answer.json()).lease.expires_at);
  else if (answer?.status === 409) lose();
}

function lose() {
  ends = 0;
  const place = find("#decide");
  const lost = find("#lost");
  if (!place || !lost) return;
  find("clip-player")?.conceal?.();
  place.replaceChildren(lost.content.cloneNode(true));
  place.focus();
}

function tick() {
  const lease = find("#lease");
  if (!lease || !ends) return;
  const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
  lease.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  if (!waiting) notice(left <= SOON_S ? "soon" : restDue() ? "rest" : "");
  if (left === 0 && !waiting) lose();
  else if (!document.hidden && active > asked && (left <= SOON_S || Date.now() - asked > RENEW_EVERY_MS)) renew(lease);
}

function restDue() {
  return !rested && (find("#notice")?.dataset.due === "yes" || Date.now() - began > WORK_MS);
}

// Sent again as it is: the server knows its key.
function keep(form, button) {
  if (waiting) clearTimeout(waiting);
  notice("waiting");
  form.inert = true;
  waiting = setTimeout(() => form.isConnected && form.requestSubmit(button), RESEND_MS);
}

function settled() {
  clearTimeout(waiting);
  waiting = null;
  const form = find("#answer");
  if (form) form.inert = false;
}

function unsent(event) {
  const { ctx: context } = event.detail ?? {};
  const form = context?.sourceElement;
  if (form?.id !== "answer" || (context.response && context.response.status < 500)) return;
  // Not the problem's page in the place of the case: it stays as it is until it is sent.
  event.preventDefault();
  keep(form, form.querySelector("[data-sent]"));
}

function choose(event) {
  const list = event.target;
  const option = /^\d$/.test(event.key) && list.querySelector(`[data-number="${event.key}"]`);
  if (!option) return;
  event.preventDefault();
  list.value = option.value;
  list.dispatchEvent(new Event("change", { bubbles: true }));
  list.blur();
}

function fresh() {
  settled();
  readLease();
  notice("");
  const upcoming = find("#upcoming");
  if (upcoming?.dataset.clip) prepare(upcoming.dataset.clip);
  if (upcoming?.dataset.strip) new Image().src = upcoming.dataset.strip;
}

document.addEventListener("submit", ({ target, submitter }) => {
  if (target.id !== "answer") return;
  for (const button of target.querySelectorAll("[data-sent]")) delete button.dataset.sent;
  if (submitter) submitter.dataset.sent = "";
});
document.addEventListener("keydown", (event) => event.target.id === "reason" && choose(event));
document.addEventListener("click", ({ target }) => {
  if (target.closest("#stay") && find("#lease")) renew(find("#lease"));
});
document.addEventListener("exposure", ({ detail }) => {
  const place = find("#notice");
  if (place && detail.run_ms >= detail.run_cap_ms) place.dataset.due = "yes";
});
for (const name of ["keydown", "pointerdown", "pointermove", "input"]) {
  document.addEventListener(name, () => (active = Date.now()), { passive: true });
}
for (const name of ["htmx:error", "htmx:before:response"]) document.addEventListener(name, unsent);
document.addEventListener("htmx:after:swap", fresh);
setInterval(tick, 1000);
fresh();
