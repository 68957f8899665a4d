// The clip of a case: veiled until somebody holds it open; one clock over picture, sound, film strip and lanes.

const SPEEDS = [1, 1.5, 2, 0.5, 0.25];
const DRIFT = 0.08;
const prepared = new Map();

// Fetched before it is asked for; the player of its case takes the element over.
export function prepare(url) {
  if (prepared.has(url)) return;
  const video = document.createElement("video");
  Object.assign(video, { muted: true, preload: "auto", playsInline: true, src: url });
  prepared.clear();
  prepared.set(url, video);
}

// What is unveiled: asked of the server, which counts it, and taken away as soon as it is let go.
class Sight extends EventTarget {
  #case;
  #token;
  #wanted = { picture: "", sound: false };
  #key = "";
  #open = null;
  #turn = Promise.resolve();
  #timers = [];

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
    this.#post(`renditions/${picture}`, {});
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
    this.#tell("standing", this.#open.standing);
    if (this.#wanted !== wanted) return;
    this.#timers = [setInterval(() => this.#beat(), this.#open.beat_ms)];
    this.#tell("shown", { ...wanted, url: this.#open.url, soundUrl: this.#open.sound_url });
  }

  async #beat() {
    const open = this.#open;
    const answer = open && (await this.#post(`reveals/${open.id}/beat`, {}));
    if (open === this.#open && !answer?.ok) this.#refuse(await answer?.json().catch(() => null));
  }

  #refuse(problem) {
    const code = /\w+$/.exec(problem?.type ?? "")?.[0];
    this.#wanted = { picture: "", sound: false };
    this.#hide();
    this.#end();
    this.#tell("refused", { code });
  }

  #hide() {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    this.#tell("hidden");
  }

  async #end() {
    const open = this.#open;
    [this.#open, this.#key] = [null, ""];
    const answer = open && (await this.#post(`reveals/${open.id}/end`, {}, true));
    if (answer?.ok) this.#tell("standing", (await answer.json()).standing);
  }

  #post(path, body, keepalive = false) {
    return fetch(`/v1/cases/${this.#case}/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...body, lease_token: this.#token }),
      keepalive,
    }).catch(() => null);
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
    if (first) this.seek(first.at);
    this.video.defaultPlaybackRate = this.video.playbackRate = Number(this.dataset.speed);
    this.#paint();
    if ("playing" in this.dataset) this.video.play().catch(() => {});
  }

  disconnectedCallback() {
    this.aside?.abort();
    this.sight?.leave();
    this.video?.pause();
  }

  #adopt(video) {
    const url = video?.getAttribute("src");
    const ready = url && prepared.get(url);
    if (!ready) return video;
    prepared.delete(url);
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
    on(this.video, "error", () => this.#tell("undecodable"));
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
    if (picture) {
      this.seen = document.createElement("video");
      Object.assign(this.seen, { muted: true, playsInline: true, preload: "auto", src: url, className: picture });
      this.seen.addEventListener("loadedmetadata", () => this.#align(true), { once: true });
      this.seen.addEventListener("seeked", () => this.seen && this.setAttribute("unveiled", picture), { once: true });
      this.seen.addEventListener("error", () => this.seen && this.#refused({ code: "undecodable" }), { once: true });
      this.video.after(this.seen);
    }
    if (soundUrl) this.heard = Object.assign(new Audio(soundUrl), { preload: "auto", currentTime: this.video.currentTime });
    this.#align(true);
  }

  #veil() {
    this.removeAttribute("unveiled");
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
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

customElements.define("clip-player", ClipPlayer);
