// What is seen or heard unveiled: asked of the server, which counts it, and taken away as soon as it is let go.

const JSON_TYPE = { "Content-Type": "application/json" };

export class Sight extends EventTarget {
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

  // `picture` is "", "revealed" or "cartoon". Taking away is at once; showing waits for the server's yes.
  want(picture, sound) {
    this.#wanted = { picture, sound };
    if (this.#keyOf(this.#wanted) !== this.#key) this.#hide();
    this.#turn = this.#turn.then(() => this.#settle());
  }

  // Have a picture made before it is asked for; shows and counts nothing.
  prepare(picture) {
    this.#post(`renditions/${picture}`, {});
  }

  // The page goes away: nothing can be awaited any more.
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
    // What was never asked for before is made first.
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
      headers: JSON_TYPE,
      body: JSON.stringify({ ...body, lease_token: this.#token }),
      keepalive,
    }).catch(() => null);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
