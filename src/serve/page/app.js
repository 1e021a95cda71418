"use strict";
const at = (id) => document.getElementById(id);
const messages = [];
let running = null;  // AbortController of the answer that streams
let month = null;  // "2026-11"; null: the current one

function say(text) {
  at("notice").textContent = text;
  at("notice").hidden = !text;
}

async function ask(path, options = {}) {
  const headers = { ...(options.body && { "Content-Type": "application/json" }) };
  if (at("key").value) headers.Authorization = `Bearer ${at("key").value}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) at("key-label").hidden = false;
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  return answer;
}

async function loadModels() {
  try {
    const { data } = await (await ask("/v1/models")).json();
    at("model").replaceChildren(...data.map(({ id }) => new Option(id, id)));
    say(data.length ? "" : "There is no model to chat with.");
  } catch (error) {
    say(error.message);
  }
}

function show(role, text) {
  const item = document.createElement("li");
  item.className = role;
  item.append(text);
  at("log").append(item);
  at("log").scrollTop = at("log").scrollHeight;
  return item;
}

// Values of server-sent events.
async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let received = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (received + value).split("\n");
    received = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}

function setRunning(controller) {
  running = controller;
  at("send").hidden = controller !== null;
  at("stop").hidden = controller === null;
}

async function answer(item) {
  const body = {
    model: at("model").value,
    messages,
    temperature: Number(at("temperature").value),
    top_p: 0.95,
    stream: true,
    stream_options: { include_usage: true },
  };
  const text = item.firstChild;
  const response = await ask("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify(body),
    signal: running.signal,
  });
  for await (const event of eventsOf(response)) {
    if (event.error) throw new Error(event.error.message);
    const log = at("log");
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    text.data += event.choices[0]?.delta.content ?? "";
    if (atEnd) log.scrollTop = log.scrollHeight;
    if (event.usage) {
      const note = document.createElement("small");
      note.textContent = `${event.usage.prompt_tokens} + ${event.usage.completion_tokens} tokens`;
      item.append(note);
    }
  }
}

async function send() {
  const content = at("message").value.trim();
  if (!content || running) return;
  say("");
  at("message").value = "";
  messages.push({ role: "user", content });
  show("user", content);
  setRunning(new AbortController());
  const item = show("assistant busy", document.createTextNode(""));
  try {
    await answer(item);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message);
  }
  item.classList.remove("busy");
  setRunning(null);
  const text = item.firstChild.data;
  if (text) messages.push({ role: "assistant", content: text });
  else {
    item.remove();
    messages.pop();
  }
  at("message").focus();
}

function clearChat() {
  running?.abort();
  messages.length = 0;
  at("log").replaceChildren();
  at("message").focus();
}

const svg = (name, attributes, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
};

function byDay(report) {
  const [year, number] = report.month.split("-").map(Number);
  const days = Array.from({ length: new Date(year, number, 0).getDate() }, () => ({ prompt: 0, completion: 0, cost: 0 }));
  for (const line of report.data) {
    const day = days[Number(line.day.slice(8)) - 1];
    day.prompt += line.prompt_tokens;
    day.completion += line.completion_tokens;
    day.cost += Number(line.cost);
  }
  return days;
}

function drawChart(report) {
  const chart = at("chart");
  const width = chart.clientWidth || 600, height = chart.clientHeight || 224;
  const days = byDay(report);
  const most = Math.max(1, ...days.map((day) => day.prompt + day.completion));
  const dearest = Math.max(...days.map((day) => day.cost));
  const left = 48, right = dearest > 0 ? 64 : 8, bottom = 20, top = 10;
  const step = (width - left - right) / days.length;
  const y = (share) => top + (height - top - bottom) * (1 - share);
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren();
  for (const share of [0, 0.5, 1]) {
    chart.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(share), y2: y(share) }));
    chart.append(svg("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, compact(most * share)));
    if (dearest > 0) chart.append(svg("text", { class: "cost", x: width - right + 6, y: y(share) + 4 }, amount(dearest * share)));
  }
  days.forEach((day, index) => {
    const x = left + index * step + step * 0.15;
    let below = 0;
    for (const kind of ["prompt", "completion"]) {
      const share = day[kind] / most;
      const bar = svg("rect", { class: kind, x, width: step * 0.7, y: y(below + share), height: y(below) - y(below + share) });
      bar.append(svg("title", {}, `${index + 1}: ${day[kind]} ${kind} tokens, ${report.currency} ${day.cost}`));
      chart.append(bar);
      below += share;
    }
    if (index % 5 === 0) chart.append(svg("text", { x: x + step * 0.35, y: height - 5, "text-anchor": "middle" }, index + 1));
  });
  at("legend-cost").hidden = dearest === 0;
  if (dearest > 0) {
    const points = days.map((day, index) => [left + (index + 0.5) * step, y(day.cost / dearest)]);
    chart.append(svg("polyline", { class: "cost", points: points.join(" ") }));
    points.forEach(([cx, cy], index) => days[index].cost && chart.append(svg("circle", { class: "cost", cx, cy, r: 3 })));
  }
}

const amount = (number) => number.toLocaleString("en", { maximumSignificantDigits: 2 });
const compact = (number) => Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(number);

function showUsage(report) {
  month = report.month;
  at("month").textContent = month;
  const sum = (name) => report.data.reduce((total, line) => total + Number(line[name]), 0);
  const totals = { Requests: sum("requests"), "Prompt tokens": sum("prompt_tokens"), "Completion tokens": sum("completion_tokens") };
  totals[`Cost, ${report.currency}`] = Number(sum("cost").toFixed(6));
  at("totals").replaceChildren(...Object.entries(totals).map(([name, value]) => {
    const box = document.createElement("div");
    const term = document.createElement("dt");
    const figure = document.createElement("dd");
    term.textContent = name;
    figure.textContent = value.toLocaleString("en", { maximumFractionDigits: 6 });
    box.append(term, figure);
    return box;
  }));
  at("rows").replaceChildren(...report.data.map((line) => {
    const row = document.createElement("tr");
    const [, start, day] = line.day.match(/(.*-)(..)$/);
    const yearAndMonth = document.createElement("span");
    yearAndMonth.textContent = start;
    row.insertCell().append(yearAndMonth, day);
    for (const name of ["model", "requests", "prompt_tokens", "completion_tokens", "cost"]) row.insertCell().textContent = line[name];
    return row;
  }));
  at("cost-head").textContent = `Cost, ${report.currency}`;
  drawChart(report);
}

async function loadUsage(step = 0) {
  let asked = month;
  if (month && step) {
    const [year, number] = month.split("-").map(Number);
    asked = new Date(Date.UTC(year, number - 1 + step, 1)).toISOString().slice(0, 7);
  }
  try {
    showUsage(await (await ask(`/v1/usage${asked ? `?month=${asked}` : ""}`)).json());
    say("");
  } catch (error) {
    say(error.message);
  }
}

function select(tab) {
  for (const other of document.querySelectorAll("[role=tab]")) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", chosen);
    other.tabIndex = chosen ? 0 : -1;
    at(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab.id === "tab-usage") loadUsage();
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tab.id === "tab-chat" ? at("tab-usage") : at("tab-chat");
    select(other);
    other.focus();
  });
}
at("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
at("message").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") running?.abort(); });
at("stop").addEventListener("click", () => running?.abort());
at("clear").addEventListener("click", clearChat);
at("earlier").addEventListener("click", () => loadUsage(-1));
at("later").addEventListener("click", () => loadUsage(1));
at("key").value = sessionStorage.getItem("key") ?? "";
at("key-label").hidden = !at("key").value;
at("key").addEventListener("change", () => {
  sessionStorage.setItem("key", at("key").value);
  loadModels();
});
loadModels();
at("message").focus();
