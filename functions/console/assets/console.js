// Makes players and forms handier. Every page works without it, but for seeking.
"use strict";
const all = (query, of = document) => [...of.querySelectorAll(query)];
const one = (query, of = document) => of.querySelector(query);
document.documentElement.classList.add("script");

// Forms that are sent once something is chosen by a pointer: by keys one goes through what is not meant yet, and sends with Enter.
all("form[data-auto]").forEach((form) => {
  let typed = false;
  form.addEventListener("keydown", (event) => {
    typed = true;
    // Fields and buttons send by themselves.
    if (event.key === "Enter" && event.target.matches("select")) { event.preventDefault(); form.requestSubmit(); }
  });
  form.addEventListener("pointerdown", () => { typed = false; });
  form.addEventListener("change", (event) => event.target.value && !typed && form.requestSubmit());
});
// A page that the browser kept is asked for anew: a number that was shown once is gone.
addEventListener("pageshow", (event) => event.persisted && location.reload());

// What is chosen from closes once one goes on.
const choice = one(".choice");
if (choice) {
  for (const event of ["click", "focusin"]) addEventListener(event, ({ target }) => choice.contains(target) || (choice.open = false));
  choice.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { choice.open = false; one("summary", choice).focus(); }
  });
  choice.addEventListener("change", () => {
    const names = all(":checked", choice).map((box) => box.parentNode.textContent.trim());
    one(".chosen", choice).textContent = names.join(choice.dataset.and) || choice.dataset.any;
  });
}

const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (h ? h + ":" + String(m).padStart(2, "0") : m) + ":" + String(s).padStart(2, "0");
};

const turns = all(".turns [data-s]").map((li) => ({ li, at: Number(li.dataset.s) }));
turns.sort((a, b) => a.at - b.at);
// The turn that is heard at a time.
const turnAt = (seconds) => {
  let low = -1, high = turns.length;
  while (high - low > 1) {
    const mid = (low + high) >> 1;
    if (turns[mid].at <= seconds + 0.05) low = mid; else high = mid;
  }
  return low;
};

const box = one(".player");
const player = box && start(box);

function start(box) {
  const sounds = all("audio", box);
  const deck = one(".deck", box), told = one(".told", box), lanes = one(".lanes", box);
  const control = (name) => one(`[data-do=${name}]`, deck);
  const now = lanes && one(".now", lanes);
  const known = Number(box.dataset.duration) || 0;
  let audio = sounds[0], current = -1, wanted = null, retries = 0, followed = 0;

  const say = (text) => { told.textContent = text; told.hidden = !text; };
  const length = () => (Number.isFinite(audio.duration) && audio.duration) || known;
  const time = () => (wanted === null ? audio.currentTime : wanted);

  function show() {
    const at = time();
    one(".clock", deck).textContent = clock(at);
    one(".length", deck).textContent = clock(length());
    if (now) {
      const x = Math.min(1000, (at * 1e6) / Number(lanes.dataset.length));
      now.setAttribute("x1", x);
      now.setAttribute("x2", x);
    }
    const turn = turnAt(at);
    if (turn === current) return;
    if (turns[current]) turns[current].li.removeAttribute("aria-current");
    current = turn;
    if (!turns[turn]) return;
    turns[turn].li.setAttribute("aria-current", "true");
    // Whoever scrolls is left alone for a while.
    if (!audio.paused && Date.now() - followed > 4000) turns[turn].li.scrollIntoView({ block: "nearest" });
  }

  function seek(seconds) {
    const at = Math.max(0, length() ? Math.min(seconds, length()) : seconds);
    // Before anything is loaded there is nowhere to go: it is gone to then.
    if (audio.readyState) { wanted = null; audio.currentTime = at; } else wanted = at;
    show();
  }

  function play() {
    if (audio.dataset.type && !audio.canPlayType(audio.dataset.type)) return say(box.dataset.unplayable);
    audio.play().catch(() => {});
  }
  const toggle = () => (audio.paused ? play() : audio.pause());

  sounds.forEach((sound) => {
    sound.controls = false;
    sound.addEventListener("loadedmetadata", () => {
      if (wanted !== null) { sound.currentTime = wanted; wanted = null; }
      show();
    });
    for (const event of ["timeupdate", "seeked", "durationchange"]) sound.addEventListener(event, show);
    for (const event of ["play", "pause", "ended"]) {
      sound.addEventListener(event, () => {
        const button = control("play");
        button.textContent = sound.paused ? "▶" : "❚❚";
        button.setAttribute("aria-label", sound.paused ? box.dataset.play : box.dataset.pause);
      });
    }
    sound.addEventListener("playing", () => { retries = 0; say(""); });
    sound.addEventListener("error", () => {
      // Of a format that it does not know a browser says "not supported"; of a URL that has died, too, where nothing was heard yet.
      if (retries > 1) return say(box.dataset.unplayable);
      retries += 1;
      wanted = sound.currentTime || wanted || 0;
      const again = new URL(sound.src);
      again.searchParams.set("again", Date.now());
      sound.src = again;
      if (retries > 1) say(box.dataset.retried);
      sound.load();
      sound.play().catch(() => {});
    });
  });
  all(".sound", box).forEach((sound) => { sound.hidden = true; });
  deck.hidden = false;

  control("play").addEventListener("click", toggle);
  control("back").addEventListener("click", () => seek(time() - 5));
  control("ahead").addEventListener("click", () => seek(time() + 5));
  control("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
  if (control("slot")) control("slot").addEventListener("change", (event) => {
    const at = time(), wasPlaying = !audio.paused;
    audio.pause();
    audio = sounds[Number(event.target.value)];
    control("download").href = audio.src;
    audio.playbackRate = Number(control("speed").value);
    seek(at);
    if (wasPlaying) play();
  });
  if (lanes) one("svg", lanes).addEventListener("click", (event) => {
    const area = event.currentTarget.getBoundingClientRect();
    seek(((event.clientX - area.left) / area.width) * (Number(lanes.dataset.length) / 1000));
    play();
  });
  addEventListener("wheel", () => { followed = Date.now(); }, { passive: true });
  addEventListener("touchmove", () => { followed = Date.now(); }, { passive: true });

  // Links that open at a second: `#t=83`.
  const linked = () => {
    const at = /^#t=(\d+(\.\d+)?)$/.exec(location.hash);
    if (!at) return false;
    seek(Number(at[1]));
    if (turns[current]) turns[current].li.scrollIntoView({ block: "center" });
    return true;
  };
  all(".turns").forEach((list) => list.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    history.replaceState(null, "", link.hash);
    linked();
    play();
  }));
  addEventListener("hashchange", linked);
  linked();

  const step = (by) => {
    const at = Math.min(turns.length - 1, Math.max(0, current + by));
    if (turns[at]) { seek(turns[at].at); turns[at].li.scrollIntoView({ block: "nearest" }); }
  };
  return { toggle, step, by: (seconds) => seek(time() + seconds) };
}

// Keys, unless somebody writes.
const review = one("form[data-review]");
document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey && event.key === "Enter" && review) return one("[value=next]", review).click();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (at.closest("textarea, select, input:not([type=radio])")) {
    if (event.key === "Escape") at.blur();
    return;
  }
  const key = event.key.toLowerCase();
  const done = () => event.preventDefault();
  if (player) {
    if (key === " " && !at.closest("button, summary, [type=radio]")) { done(); return player.toggle(); }
    if (!at.closest("[type=radio]")) {
      if (key === "arrowleft") { done(); return player.by(-5); }
      if (key === "arrowright") { done(); return player.by(5); }
    }
    if (key === "j") return player.step(1);
    if (key === "k") return player.step(-1);
  }
  if (review) {
    const verdicts = all("[name=verdict]", review);
    const verdict = verdicts[Number(key) - 1];
    // Where it is not in the focus, arrows and space are the player's.
    if (verdict) { verdict.checked = true; return document.activeElement.blur(); }
    // What says that there is none stands there only where one is saved.
    if (key === "4") { verdicts.forEach((each) => { each.checked = false; }); return; }
    if (key === "n") { done(); return one("textarea", review).focus(); }
    if (key === "s") { done(); return one("[value=next]", review).click(); }
  }
});
