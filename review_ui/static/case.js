// The case page: the player, the lease. Everything here is a convenience; the forms work without it.

const RENEW_EVERY = 60;
const FRAME = 1 / 24;

const find = (selector) => document.querySelector(selector);

// The player: flagged moments jump, frames step, one playhead over all lanes.

function startPlayer(video) {
  const [play, scrub, playhead, clock] = ["[data-do=play]", "#scrub", "#playhead", "#clock"].map(find);
  const duration = Number(find(".what").dataset.duration) / 1000;
  const starts = [...document.querySelectorAll("[data-seek]")].map((button) => Number(button.dataset.seek) / 1000);
  const written = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

  function paint() {
    const at = video.currentTime;
    scrub.value = at;
    playhead.style.setProperty("--at", Math.min(1, at / duration));
    clock.textContent = `${written(at)} / ${written(duration)}`;
  }
  function seek(seconds) {
    video.currentTime = Math.max(0, Math.min(duration - FRAME / 2, seconds));
  }
  function step(seconds) {
    video.pause();
    seek(video.currentTime + seconds);
  }
  function follow() {
    paint();
    if (!video.paused) requestAnimationFrame(follow);
  }
  const acts = {
    play: () => (video.paused ? video.play() : video.pause()),
    previous: () => seek(starts.filter((start) => start < video.currentTime - 0.3).pop() ?? starts.at(-1) ?? 0),
    next: () => seek(starts.find((start) => start > video.currentTime + 0.1) ?? starts[0] ?? 0),
    back: () => step(-FRAME),
    forward: () => step(FRAME),
  };
  const say = () => {
    play.firstElementChild.textContent = video.paused ? play.dataset.play : play.dataset.pause;
  };

  video.controls = false;
  video.addEventListener("play", () => (say(), follow()));
  video.addEventListener("pause", say);
  video.addEventListener("seeked", paint);
  scrub.addEventListener("input", () => seek(Number(scrub.value)));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do], [data-seek]");
    if (!button) return;
    if (button.dataset.seek) {
      video.pause();
      seek(Number(button.dataset.seek) / 1000);
    } else acts[button.dataset.do]?.();
  });
  document.addEventListener("visibilitychange", () => document.hidden && video.pause());
  if (starts.length) seek(starts[0]);
  paint();
}

// The lease: shown, renewed while somebody works here, and said to be lost when it is.

function startLease(shown) {
  let ends = Date.now() + Number(shown.dataset.left) * 1000;
  let asked = Date.now();
  let active = 0;
  const touch = () => {
    active = Date.now();
  };

  function lose() {
    find("#lost").hidden = false;
    clearInterval(timer);
  }
  async function renew() {
    asked = Date.now();
    const answer = await fetch(`/v1/cases/${shown.dataset.case}/renew`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ lease_token: shown.dataset.token }),
    }).catch(() => null);
    if (answer?.ok) ends = Date.parse((await answer.json()).lease.expires_at);
    else if (answer?.status === 409) lose();
  }
  function tick() {
    const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
    shown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left === 0) lose();
    else if (active > asked && Date.now() - asked > RENEW_EVERY * 1000 && !document.hidden) renew();
  }
  const timer = setInterval(tick, 1000);
  for (const kind of ["keydown", "pointerdown", "pointermove"]) document.addEventListener(kind, touch);
}

// To block or restrict needs a reason; the server says so too, but then the film begins anew.

function startAnswer(form) {
  const reason = form.elements.reason;
  reason.addEventListener("change", () => reason.setCustomValidity(""));
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value === "allow" || reason.value) return;
    event.preventDefault();
    reason.setCustomValidity(form.dataset.needed);
    reason.reportValidity();
    reason.focus();
  });
}

if (find("video")) startPlayer(find("video"));
if (find("#lease")) startLease(find("#lease"));
if (find("#answer")) startAnswer(find("#answer"));
