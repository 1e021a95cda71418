// The page that quern serves, in headless Chromium; screenshots are left beside this file's copy in the build.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startServer } from "./server.mjs";

const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));
if (!executablePath) {
  console.log("skipped: chromium is not installed");
  process.exit(77);
}

let server, browser;
before(async () => {
  server = await startServer();
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// Opens the page; fails the test for requests to elsewhere and for errors of its script, but for one that it expects.
async function open(options = {}, { url = server.url, expected = "" } = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("request", (request) => request.url().startsWith(url) || request.url().startsWith("data:") || wrong.push(request.url()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && !(expected && message.text().includes(expected)) && wrong.push(message.text()));
  // Else the model may end its answer before it can be stopped.
  await page.route("**/v1/chat/completions", (route) => {
    const asked = { ...route.request().postDataJSON(), ignore_eos: true, seed: 1 };
    return route.continue({ postData: JSON.stringify(asked) });
  });
  await page.goto(url);
  if (!expected) await hasModel(page);
  return { page, close: async () => { await context.close(); assert.deepEqual(wrong, []); } };
}

const hasModel = (page) => page.waitForFunction(() => document.querySelector("#model").options.length > 0);

// Clicks Stop, in the page itself, once the answer is that long: the model is quick.
const stopAfter = (page, length) =>
  page.waitForFunction((length) => {
    const text = document.querySelector("#log .assistant")?.firstChild.data ?? "";
    const stop = document.querySelector("#stop");
    if (text.length < length || stop.hidden) return false;
    stop.click();
    return true;
  }, length);
const lastAnswer = (page) => page.locator("#log .assistant").last();

test("a message typed and sent by Enter is answered in a stream", async () => {
  const { page, close } = await open();
  assert.equal(await page.locator("#model").inputValue(), "story");
  await page.keyboard.type("Tell me a story about a cat.");
  await page.keyboard.press("Enter");
  await stopAfter(page, 5);
  await page.locator("#log .busy").waitFor({ state: "detached" });
  assert.equal(await page.locator("#log .user").textContent(), "Tell me a story about a cat.");
  assert.ok(await page.locator("#send").isVisible());
  assert.equal(await page.evaluate(() => document.activeElement.id), "message");
  await page.screenshot({ path: "chat-light.png" });
  await close();
});

test("Escape stops an answer, and a new chat is empty", async () => {
  const { page, close } = await open();
  await page.fill("#message", "Hello");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#log .assistant")?.firstChild.data.length > 5);
  await page.keyboard.press("Escape");
  await page.locator("#log .busy").waitFor({ state: "detached" });
  const text = await lastAnswer(page).textContent();
  await page.click("#clear");
  assert.equal(await page.locator("#log li").count(), 0);
  assert.ok(text.length > 5);
  await close();
});

test("the usage view shows what was used, reached by the keyboard alone", async () => {
  const { page, close } = await open();
  await page.focus("#tab-chat");
  await page.keyboard.press("ArrowRight");
  await page.locator("#rows tr").first().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-usage");
  const cells = await page.locator("#rows tr").first().locator("td").allTextContents();
  assert.equal(cells[0], new Date().toISOString().slice(0, 10));
  assert.equal(cells[1], "story");
  assert.ok(Number(cells[4]) > 0);
  const bars = await page.locator("#chart rect.completion").evaluateAll((all) => all.map((bar) => Number(bar.getAttribute("height"))));
  assert.equal(bars.filter((height) => height > 0).length, 1);
  await page.screenshot({ path: "usage-light.png" });
  await page.click("#earlier");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 0);
  await close();
});

test("a server with keys asks for one, and shows what its use cost", async () => {
  const plans = { pro: { billing: "pay_as_you_go", prices: { input_per_million: 150000, output_per_million: 600000 } } };
  for (const end of ["", "-wal", "-shm"]) rmSync(`usage.db${end}`, { force: true });
  writeFileSync("quern.json", JSON.stringify({ ledger: "usage.db", plans }));
  const key = execFileSync(process.env.QUERN_PROGRAM, ["keys", "create", "--plan", "pro", "--name", "acme", "--config", "quern.json"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
  const metered = await startServer("--config", "quern.json");
  try {
    const { page, close } = await open({}, { url: metered.url, expected: "401" });
    await page.locator("#notice", { hasText: "an API key is required" }).waitFor();
    await page.fill("#key", key);
    await page.keyboard.press("Tab");
    await hasModel(page);
    assert.ok(await page.locator("#notice").isHidden());
    await page.fill("#message", "Tell me about a dog.");
    await page.click("#send");
    await page.locator("#log small").waitFor();
    await page.click("#tab-usage");
    await page.locator("#rows tr").first().waitFor();
    assert.ok(Number(await page.locator("#rows td").last().textContent()) > 0);
    assert.equal(await page.locator("#chart circle.cost").count(), 1);
    await page.screenshot({ path: "usage-cost.png" });
    await page.setViewportSize({ width: 375, height: 667 });
    await page.click("#tab-chat");
    await page.click("#tab-usage");
    await page.waitForFunction(() => document.querySelector("#chart").viewBox.baseVal.width < 375);
    await page.screenshot({ path: "usage-cost-phone.png" });
    await close();
  } finally {
    await metered.stop();
  }
});

for (const [name, options] of Object.entries({
  "phone-light": { viewport: { width: 375, height: 667 }, colorScheme: "light", hasTouch: true },
  "phone-dark": { viewport: { width: 375, height: 667 }, colorScheme: "dark", hasTouch: true },
  dark: { colorScheme: "dark" },
})) {
  test(`nothing is cut off: ${name}`, async () => {
    const { page, close } = await open(options);
    const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    const legible = () => page.evaluate(() => getComputedStyle(document.body).color !== getComputedStyle(document.body).backgroundColor);
    await page.fill("#message", "Tell me about a dog.");
    await page.click("#send");
    await page.waitForFunction(() => document.querySelector("#log .assistant")?.firstChild.data.length > 5);
    await page.locator("#log .busy").waitFor({ state: "detached" });
    assert.ok(await fits());
    assert.ok(await legible());
    await page.screenshot({ path: `chat-${name}.png` });
    await page.click("#tab-usage");
    await page.locator("#rows tr").first().waitFor();
    assert.ok(await fits());
    await page.screenshot({ path: `usage-${name}.png` });
    const dark = options.colorScheme === "dark";
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
    assert.equal(ground[0] < 128, dark);
    await close();
  });
}
