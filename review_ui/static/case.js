// The case page: its clip, veiled until somebody holds it open, then the work on it. The forms work without it.
import { FIELDS, minutes, names } from "./keys.js";

const SPEEDS = [1, 1.5, 2, 0.5, 0.25];
const DRIFT = 0.08;
const find = (selector) => document.querySelector(selector);
let prepared = null;

function silent(url, at, className = "") {
  const video = document.createElement("video");
  return Object.assign(video, { muted: true, preload: "auto", playsInline: true, src: url, currentTime: at, className });
}

// Under the lease; null where nobody answers.
function post(id, path, token, body = {}, { keepalive = false, signal } = {}) {
  return fetch(`/v1/cases/${id}/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, lease_token: token }),
    keepalive,
    signal,
  }).catch(() => null);
}

// What is unveiled: asked of the server, which counts it, and taken away as soon as it is let go.
class Sight extends EventTarget {
  #case;
  #token;
  #wanted = { picture: "", sound: false };
  #key = "";
  #open = null;
  #turn = Promise.resolve();
  #beats = 0;
  #limit = 0;
  #making = new AbortController();

  constructor(id, token) {
    super();
    [this.#case, this.#token] = [id, token];
  }

  // Taking away is at once; showing waits for the server's yes.
  want(picture, sound) {
    this.#wanted = { picture, sound };
    if (this.#keyOf(this.#wanted) !== this.#key) this.#hide();
    this.#turn = this.#turn.then(() => this.#settle());
  }

  prepare(picture) {
    this.#post(`renditions/${picture}`, {}, { signal: this.#making.signal });
  }

  // Whoever has decided holds the case no longer: what is still being made for them would be refused.
  forgo() {
    this.#making.abort();
  }

  leave() {
    this.#wanted = { picture: "", sound: false };
    this.#hide();
    this.#end();
  }

  #keyOf({ picture, sound }) {
    return picture || sound ? `${picture || "sound"} ${sound}` : "";
  }

  async #settle() {
    const wanted = this.#wanted;
    const key = this.#keyOf(wanted);
    if (key === this.#key) return;
    this.#key = key;
    if (!key) return this.#end();
    const slow = setTimeout(() => this.#tell("making"), 500);
    const answer = await this.#post("reveals", { rendition: wanted.picture || "sound", sound: wanted.sound });
    clearTimeout(slow);
    if (!answer?.ok) return this.#refuse(await answer?.json().catch(() => null));
    this.#open = await answer.json();
    if (this.#wanted !== wanted) return;
    this.#beats = setInterval(() => this.#beat(), this.#open.beat_ms);
    this.#lasts(this.#open);
    this.#tell("shown", { ...wanted, url: this.#open.url, soundUrl: this.#open.sound_url });
  }

  async #beat() {
    const open = this.#open;
    const answer = open && (await this.#post(`reveals/${open.id}/beat`));
    const told = await answer?.json().catch(() => null);
    if (open === this.#open) answer?.ok ? this.#lasts(told) : this.#refuse(told);
  }

  // Nothing is shown beyond what the server's last word allows, whether or not another comes.
  #lasts({ limit_ms: limit, standing }) {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => this.#refuse({ type: "not_revealed" }), limit);
    this.#tell("standing", standing);
  }

  #refuse(problem) {
    const code = /\w+$/.exec(problem?.type ?? "")?.[0];
    this.#wanted = { picture: "", sound: false };
    this.#hide();
    this.#end();
    this.#tell("refused", { code });
  }

  #hide() {
    clearInterval(this.#beats);
    clearTimeout(this.#limit);
    this.#tell("hidden");
  }

  async #end() {
    const open = this.#open;
    [this.#open, this.#key] = [null, ""];
    const answer = open && (await this.#post(`reveals/${open.id}/end`, {}, { keepalive: true }));
    if (answer?.ok) this.#tell("standing", (await answer.json()).standing);
  }

  #post(path, body, options) {
    return post(this.#case, path, this.#token, body, options);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

class ClipPlayer extends HTMLElement {
  connectedCallback() {
    this.video = this.#adopt(this.querySelector("video"));
    if (!this.video) return;
    const { duration, frame, case: id, token } = this.dataset;
    this.duration = Number(duration) / 1000;
    this.frame = Number(frame);
    [this.cartoon, this.held, this.locked] = [false, false, false];
    [this.colour, this.loud] = [this.hasAttribute("colour"), "loud" in this.dataset];
    // Whoever wants a cartoon first sees one at the first look, and the picture from the second on.
    this.drawn = "cartoon" in this.dataset;
    this.loop = null;
    this.sight = token ? new Sight(id, token) : null;
    this.aside = new AbortController();
    this.#listen();
    this.video.controls = false;
    const [first] = this.moments;
    if (first && Math.abs(this.video.currentTime - first.at) > 0.001) this.seek(first.at);
    this.video.defaultPlaybackRate = this.video.playbackRate = Number(this.dataset.speed);
    this.#paint();
    if (this.video.error) this.#broken();
    setTimeout(() => this.video.readyState || this.video.error || this.#tell("preparing"), 400);
    if ("playing" in this.dataset) this.video.play().catch(() => {});
  }

  disconnectedCallback() {
    this.aside?.abort();
    this.sight?.leave();
    this.video?.pause();
  }

  #adopt(video) {
    const ready = prepared;
    if (!video || ready?.src !== video.src) return video;
    prepared = null;
    for (const { name, value } of video.attributes) if (name !== "src") ready.setAttribute(name, value);
    video.replaceWith(ready);
    return ready;
  }

  #listen() {
    const { signal } = this.aside;
    const on = (target, names, act) => {
      for (const name of names.split(" ")) target.addEventListener(name, act, { signal });
    };
    on(this.video, "play", () => (this.#say("play", true), this.#want(), this.#follow()));
    on(this.video, "pause", () => (this.#say("play", false), this.conceal()));
    on(this.video, "seeked ratechange loadedmetadata", () => (this.#align(true), this.#paint()));
    on(this.video, "loadedmetadata", () => this.#tell(""));
    on(this.video, "error", () => this.#broken());
    on(this.#part("scrub"), "input", (event) => this.seek(Number(event.target.value)));
    on(this, "click", (event) => this.#click(event));
    on(this, "hold", (event) => event.target.dataset.do === "reveal" && this.#hold(true));
    on(this, "release", () => this.#hold(false));
    const screen = this.#part("screen");
    on(screen, "pointerdown", (event) => event.button === 0 && (screen.setPointerCapture(event.pointerId), this.#hold(true)));
    on(screen, "pointerup pointercancel lostpointercapture", () => this.#hold(false));
    on(screen, "contextmenu", (event) => event.preventDefault());
    on(window, "blur pagehide", () => this.#away());
    on(document, "visibilitychange", () => document.hidden && this.#away());
    if (!this.sight) return;
    on(this.sight, "shown", ({ detail }) => this.#show(detail));
    on(screen, "pointerenter", () => this.#ready());
    on(this.sight, "making", () => this.#tell("making"));
    on(this.sight, "hidden", () => this.#veil());
    on(this.sight, "refused", ({ detail }) => this.#refused(detail));
    on(this.sight, "standing", ({ detail }) => this.dispatchEvent(new CustomEvent("exposure", { detail, bubbles: true })));
  }

  #part(name) {
    return this.querySelector(`[data-part=${name}]`);
  }

  get moments() {
    const buttons = [...this.querySelectorAll("[data-seek]")];
    return buttons.map((button) => ({ at: button.dataset.seek / 1000, end: button.dataset.end / 1000 }));
  }

  #click({ target }) {
    const button = target.closest("[data-do], [data-seek]");
    if (!button) return;
    if ("seek" in button.dataset) this.#jump({ at: button.dataset.seek / 1000, end: button.dataset.end / 1000 });
    else this.#acts[button.dataset.do]?.();
  }

  #acts = {
    play: () => (this.video.paused ? this.video.play() : this.video.pause()),
    previous: () => this.#jump(this.moments.filter(({ at }) => at < this.video.currentTime - 0.3).pop() ?? this.moments.at(-1)),
    next: () => this.#jump(this.moments.find(({ at }) => at > this.video.currentTime + 0.1) ?? this.moments[0]),
    back: () => this.#step(-this.frame),
    forward: () => this.#step(this.frame),
    loop: () => this.#repeat(!this.loop),
    speed: () => this.#hurry(),
    sound: () => this.#set("sound", (this.loud = !this.loud)),
    colour: () => this.toggleAttribute("colour", this.#set("colour", (this.colour = !this.colour))),
    cartoon: () => this.#set("cartoon", (this.cartoon = !this.cartoon)),
    lock: () => this.#set("lock", (this.locked = !this.locked)),
  };

  seek(seconds) {
    this.video.currentTime = Math.max(0, Math.min(this.duration - this.frame / 2, seconds));
  }

  // Whoever begins to look around may look unveiled next: it is made meanwhile.
  #ready() {
    if (this.asked) return;
    this.asked = true;
    this.sight?.prepare("revealed");
  }

  #jump(moment) {
    if (!moment) return;
    this.#ready();
    this.video.pause();
    if (this.loop) this.loop = moment;
    this.seek(moment.at);
  }

  #step(seconds) {
    this.video.pause();
    this.seek(this.video.currentTime + seconds);
  }

  #repeat(on) {
    const now = this.video.currentTime;
    const around = this.moments.find(({ at, end }) => now >= at - 0.2 && now <= end) ?? this.moments[0];
    this.loop = on ? (around ?? { at: 0, end: this.duration }) : null;
    this.#set("loop", on);
    if (on) this.seek(this.loop.at);
  }

  #hurry() {
    this.video.playbackRate = SPEEDS[(SPEEDS.indexOf(this.video.playbackRate) + 1) % SPEEDS.length];
    this.#button("speed").firstElementChild.textContent = `${this.video.playbackRate}×`;
  }

  #want() {
    const open = this.held || this.locked;
    const picture = open && !this.drawn ? "revealed" : open || this.cartoon ? "cartoon" : "";
    this.sight?.want(picture, this.loud && !this.video.paused);
  }

  #hold(on) {
    if (this.held === on) return;
    this.held = on;
    this.#want();
    if (!on) this.drawn = false;
  }

  conceal() {
    this.held = false;
    this.#set("lock", (this.locked = false));
  }

  #away() {
    if (!this.video.paused) this.video.pause();
    this.conceal();
    if (document.hidden) this.#set("cartoon", (this.cartoon = false));
  }

  #set(name, on) {
    this.#button(name)?.setAttribute("aria-pressed", String(on));
    this.#want();
    return on;
  }

  #button(name) {
    return this.querySelector(`[data-do=${name}]`);
  }

  #say(name, on) {
    const button = this.#button(name);
    if (button) button.firstElementChild.textContent = on ? button.dataset.on : button.dataset.off;
  }

  // The other picture is shown once it has a frame of the same instant.
  #show({ picture, url, soundUrl }) {
    this.#tell("");
    if (picture === "revealed") this.#faces(new URL(url, location).search);
    if (picture) {
      this.seen = silent(url, this.video.currentTime, picture);
      this.seen.addEventListener("loadedmetadata", () => this.#align(true), { once: true });
      this.seen.addEventListener("seeked", () => this.seen && this.setAttribute("unveiled", picture), { once: true });
      this.seen.addEventListener("error", () => this.seen && this.#refused({ code: "undecodable" }), { once: true });
      this.video.after(this.seen);
    }
    if (soundUrl) this.heard = Object.assign(new Audio(soundUrl), { preload: "auto", currentTime: this.video.currentTime });
    this.#align(true);
  }

  // Faces beside those they may be are open exactly as long as the picture is.
  #faces(asked) {
    for (const face of document.querySelectorAll("[data-face]")) {
      const url = face.dataset.face + asked;
      if (face.getAttribute("src") !== url) face.src = url;
    }
  }

  #veil() {
    this.removeAttribute("unveiled");
    this.#faces("");
    for (const medium of [this.seen, this.heard]) {
      if (!medium) continue;
      medium.pause();
      medium.removeAttribute("src");
      medium.load();
    }
    this.seen?.remove();
    this.seen = this.heard = null;
  }

  #refused(problem) {
    this.cartoon = this.loud = false;
    for (const name of ["cartoon", "sound"]) this.#button(name)?.setAttribute("aria-pressed", "false");
    this.conceal();
    this.#tell(problem?.code ?? "away");
  }

  // What is there cannot be played; what is not there yet is asked for again.
  async #broken() {
    const answer = await fetch(this.video.src, { method: "HEAD" }).catch(() => null);
    const there = answer?.status < 500;
    this.#tell(there ? "undecodable" : "preparing");
    if (!there) setTimeout(() => this.isConnected && this.video.load(), 3000);
  }

  #tell(code) {
    const told = this.#part("told");
    if (!told) return;
    const sentence = told.querySelector(`[data-code="${code}"]`) ?? (code ? told.querySelector("[data-code=away]") : null);
    for (const each of told.children) each.hidden = each !== sentence;
  }

  #align(exactly = false) {
    for (const medium of [this.seen, this.heard]) {
      if (!medium) continue;
      medium.playbackRate = this.video.playbackRate;
      const far = Math.abs(medium.currentTime - this.video.currentTime) > DRIFT;
      if (medium.readyState && (exactly || far)) medium.currentTime = this.video.currentTime;
      if (medium.paused !== this.video.paused) this.video.paused ? medium.pause() : medium.play().catch(() => {});
    }
  }

  #follow() {
    this.#align();
    this.#paint();
    if (this.loop && this.video.currentTime >= this.loop.end) this.seek(this.loop.at);
    if (!this.video.paused && this.isConnected) requestAnimationFrame(() => this.#follow());
  }

  #paint() {
    const at = this.video.currentTime;
    this.#part("scrub").value = at;
    this.#part("lanes").style.setProperty("--at", Math.min(1, at / this.duration));
    this.#part("clock").textContent = `${written(at)} / ${written(this.duration)}`;
  }
}

function written(seconds) {
  // Cut off, not rounded, as the server writes moments; a seek lands a hair before where it was sent.
  const tenths = Math.floor(seconds * 10 + 0.01);
  return `${minutes(Math.floor(tenths / 10))}.${tenths % 10}`;
}

customElements.define("clip-player", ClipPlayer);

const RENEW_EVERY_MS = 60_000;
const SOON_S = 30;
const RESEND_MS = 3000;
const WORK_MS = 50 * 60_000;
const REMIND_MS = 10 * 60_000;
const began = Date.now();
let active = 0;
let asked = Date.now();
let ends = 0;
let shown = null;
let waiting = null;
let rested = 0;
let choosing = false;

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
  const answer = await post(lease.dataset.case, "renew", lease.dataset.token);
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
  lease.textContent = minutes(left);
  if (!waiting) notice(left <= SOON_S ? "soon" : restDue() ? "rest" : "");
  if (left === 0 && !waiting) lose();
  else if (!document.hidden && active > asked && (left <= SOON_S || Date.now() - asked > RENEW_EVERY_MS)) renew(lease);
}

// Whoever goes on is reminded again later.
function restDue() {
  return Date.now() - rested > REMIND_MS && (find("#notice")?.dataset.due === "yes" || Date.now() - began > WORK_MS);
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

// A digit after the key of the reasons is a reason, wherever the focus went meanwhile, and no moment.
function choose(event) {
  const list = find("#reason");
  const digit = choosing && names(event).find((name) => /^\d$/.test(name));
  const option = digit && list?.querySelector(`[data-number="${digit}"]`);
  if (event.key === "Escape" || (event.key.length === 1 && event.target !== list)) choosing = false;
  if (!option) return;
  event.preventDefault();
  event.stopPropagation();
  choosing = false;
  list.value = option.value;
  list.dispatchEvent(new Event("change", { bubbles: true }));
  list.blur();
}

function fresh() {
  settled();
  readLease();
  notice("");
  choosing = false;
}

function swapped({ detail }) {
  if (detail.ctx.sourceElement.id !== "upcoming") return fresh();
  const { clip, at } = find("#upcoming")?.dataset ?? {};
  if (clip) prepared = silent(new URL(clip, location).href, Number(at));
}

document.addEventListener("submit", ({ target, submitter }) => {
  if (target.id !== "answer") return;
  find("clip-player")?.sight?.forgo();
  for (const button of target.querySelectorAll("[data-sent]")) delete button.dataset.sent;
  if (submitter) submitter.dataset.sent = "";
});
document.addEventListener("keydown", choose, true);
document.addEventListener("focusin", ({ target }) => {
  if (target.matches(FIELDS)) choosing = target.id === "reason";
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("#stay") && find("#lease")) renew(find("#lease"));
  if (target.closest("[data-do=play]") && find("#notice").dataset.now === "rest") rested = Date.now();
});
document.addEventListener("exposure", ({ detail }) => {
  const seen = find("#unveiled");
  if (seen) seen.textContent = minutes(Math.floor(detail.day_ms / 1000));
  const place = find("#notice");
  if (place && detail.run_ms >= detail.run_cap_ms) place.dataset.due = "yes";
});
for (const name of ["keydown", "pointerdown", "pointermove", "input"]) {
  document.addEventListener(name, () => (active = Date.now()), { passive: true });
}
for (const name of ["htmx:error", "htmx:before:response"]) document.addEventListener(name, unsent);
document.addEventListener("htmx:after:swap", swapped);
setInterval(tick, 1000);
fresh();
