"use strict";

// ---- what is shown, and to whom ----------------------------------------------------------------------------------

const study = JSON.parse(document.getElementById("study").textContent);
const store = `gesturebench-study-${study.study}`;
const $ = (id) => document.getElementById(id);
const sides = ["left", "right"];
const videoOf = (side) => $(`side-${side}`).querySelector("video");
let run = null;
let now = null;

/** FNV-1a, 32 bits, of a text's UTF-16 units. */
function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** Numbers in [0, 1) from a 32-bit seed: splitmix32 (a counter, scrambled by murmur3's finaliser). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 4294967296;
  };
}

/** Order of the trials (Fisher and Yates) and sides, from the participant's seed alone. */
function plan(seed) {
  const random = generator(seed);
  const order = study.trials.map((_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order.map((i) => {
    const { id, videos } = study.trials[i];
    const first = random() < 0.5 ? 0 : 1;
    return { trial: id, left: videos[first], right: videos[1 - first] };
  });
}

function newParticipant() {
  const asked = new URLSearchParams(location.search).get("participant") || "";
  if (/^[\w.-]{1,64}$/.test(asked)) return asked;
  return [...crypto.getRandomValues(new Uint8Array(6))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

function newRun(participant) {
  const seed = hash(`${study.study}/${participant}`);
  const answers = plan(seed).map((shown) => ({ ...shown, choices: {}, plays: { left: 0, right: 0 }, seconds: 0 }));
  return { participant, seed, started: new Date().toISOString(), ended: null, at: -1, sent: false, answers };
}

// ---- what survives a reload; a browser that forbids it loses only that --------------------------------------------

function keep() {
  try { localStorage.setItem(store, JSON.stringify(run)); } catch { /* private window */ }
}

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(store));
    const asked = new URLSearchParams(location.search).get("participant");
    return found && (!asked || found.participant === asked) ? found : null;
  } catch { return null; }
}

// ---- one pair ----------------------------------------------------------------------------------------------------

function show(name) {
  for (const id of ["welcome", "trial", "end"]) $(id).hidden = id !== name;
  for (const place of document.querySelectorAll(".participant")) place.textContent = run.participant;
  window.scrollTo(0, 0);
}

function showTrial() {
  const answer = run.answers[run.at];
  now = { answer, began: performance.now(), question: 0, watched: { left: false, right: false }, broken: false };
  for (const side of sides) {
    now.watched[side] = answer.plays[side] > 0;
    videoOf(side).src = `${study.folder}/${answer[side]}${study.ending}`;
  }
  const done = run.answers.length;
  $("progress").max = done;
  $("progress").value = run.at;
  $("place").textContent = `Pair ${run.at + 1} of ${done}`;
  $("next").firstChild.textContent = run.at + 1 === done ? "Finish " : "Next ";
  now.question = Math.max(0, study.questions.findIndex((q) => !(q.key in answer.choices)));
  show("trial");
  refresh();
}

function refresh() {
  const open = ready();
  study.questions.forEach((question, i) => {
    const field = $(`question-${question.key}`);
    field.classList.toggle("current", open && study.questions.length > 1 && i === now.question);
    for (const side of sides) {
      const button = field.querySelector(`[data-side="${side}"]`);
      button.disabled = !open;
      button.setAttribute("aria-pressed", String(now.answer.choices[question.key] === now.answer[side]));
    }
  });
  $("next").disabled = !complete();
  $("back").disabled = run.at === 0;
  const left = sides.filter((side) => !now.watched[side]);
  $("hint").textContent = now.broken
    ? "A video cannot be played here. Please reload the page or try another browser."
    : left.length ? `Please watch ${left.length === 2 ? "both videos" : `the ${left[0]} video`} to the end.`
    : complete() ? "" : "Please choose.";
}

const ready = () => sides.every((side) => now.watched[side]);
const complete = () => ready() && study.questions.every((q) => q.key in now.answer.choices);

function play(side) {
  const video = videoOf(side);
  if (!video.paused) { video.pause(); return; }
  videoOf(side === "left" ? "right" : "left").pause();
  if (video.ended) video.currentTime = 0;
  video.play().catch((error) => { if (error.name !== "AbortError") { now.broken = true; refresh(); } });
}

function choose(question, side) {
  if (!ready()) return;
  now.answer.choices[study.questions[question].key] = now.answer[side];
  const open = study.questions.findIndex((q) => !(q.key in now.answer.choices));
  now.question = open >= 0 ? open : question;
  keep();
  refresh();
}

/** Leave the pair for another; time spent adds up over visits. */
function go(to) {
  now.answer.seconds = Math.round(10 * (now.answer.seconds + (performance.now() - now.began) / 1000)) / 10;
  for (const side of sides) videoOf(side).pause();
  run.at = to;
  if (to < run.answers.length) showTrial(); else finish();
  keep();
}

// ---- the answers -------------------------------------------------------------------------------------------------

function report() {
  const { participant, seed, started, ended, answers } = run;
  return JSON.stringify({ format: study.format, study: study.study, participant, seed, started, ended, answers }, null, 1);
}

function finish() {
  run.ended = run.ended || new Date().toISOString();
  show("end");
  $("outcome").textContent = study.post ? "Sending your answers …" : "Please save your answers and send us the file.";
  if (study.post) send();
}

async function send() {
  if (!run.sent) {
    try { // plain text: a request that every server may be asked without a question before
      const reply = await fetch(study.post, { method: "POST", body: report(), headers: { "Content-Type": "text/plain" } });
      run.sent = reply.ok;
    } catch { run.sent = false; }
    keep();
  }
  $("outcome").textContent = run.sent
    ? "Your answers have been sent. You may also save a copy."
    : "Your answers could not be sent. Please save them and send us the file.";
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([report()], { type: "application/json" }));
  link.download = `answers-${study.study}-${run.participant}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function another() {
  try { localStorage.removeItem(store); } catch { /* nothing was kept */ }
  location.search = "";
  if (!location.search) location.reload();
}

// ---- mouse, finger, keyboard ---------------------------------------------------------------------------------------

function buildQuestions() {
  study.questions.forEach((question, i) => {
    const field = document.createElement("div"), text = document.createElement("span");
    field.id = `question-${question.key}`;
    field.className = "question";
    field.setAttribute("role", "group");
    text.id = `text-${question.key}`;
    text.textContent = question.text;
    field.setAttribute("aria-labelledby", text.id);
    field.append(text, ...sides.map((side) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.side = side;
      button.textContent = side === "left" ? "← Left" : "Right →";
      button.addEventListener("click", () => choose(i, side));
      return button;
    }));
    $("questions").append(field);
  });
}

function listen() {
  for (const side of sides) {
    const video = videoOf(side), figure = $(`side-${side}`);
    figure.querySelector(".play").addEventListener("click", () => play(side));
    video.addEventListener("click", () => play(side));
    video.addEventListener("play", () => figure.classList.add("playing"));
    video.addEventListener("pause", () => figure.classList.remove("playing"));
    video.addEventListener("error", () => { now.broken = true; refresh(); });
    video.addEventListener("ended", () => {
      figure.classList.remove("playing");
      now.watched[side] = true;
      now.answer.plays[side] += 1;
      keep();
      refresh();
    });
  }
  $("start").addEventListener("click", begin);
  $("next").addEventListener("click", next);
  $("back").addEventListener("click", back);
  $("save").addEventListener("click", save);
  $("another").addEventListener("click", another);
  document.addEventListener("keydown", onKey);
}

function begin() {
  if (run.at < 0) run.at = 0;
  keep();
  resume();
}

function resume() {
  if (run.at < 0) show("welcome");
  else if (run.at < run.answers.length) showTrial();
  else finish();
}

const next = () => { if (complete()) go(run.at + 1); };
const back = () => { if (run.at > 0) go(run.at - 1); };
const move = (by) => {
  now.question = Math.min(study.questions.length - 1, Math.max(0, now.question + by));
  refresh();
};

const KEYS = {
  welcome: { Enter: begin },
  trial: {
    1: () => play("left"), 2: () => play("right"),
    ArrowLeft: () => choose(now.question, "left"), ArrowRight: () => choose(now.question, "right"),
    ArrowUp: () => move(-1), ArrowDown: () => move(1),
    Enter: next, Backspace: back,
  },
  end: { Enter: save },
};

function onKey(event) {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const screen = ["welcome", "trial", "end"].find((id) => !$(id).hidden);
  const action = KEYS[screen][event.key];
  if (!action) return;
  event.preventDefault(); // a focused button must not be pressed by the same key; Space presses it
  action();
}

run = kept() || newRun(newParticipant());
const minutes = Math.max(2, Math.round(study.trials.length * study.minutes));
$("how-many").textContent = `Pairs to compare: ${study.trials.length}, which takes some ${minutes} minutes.`;
buildQuestions();
listen();
resume();
