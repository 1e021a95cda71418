// OpenAI's own client against each of OpenAI's routes that quern serves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { startServer } from "./server.mjs";

let server, client;
const messages = [{ role: "user", content: "Tell me a story." }];
const options = { model: "story", max_tokens: 16, temperature: 0 };

before(async () => {
  // Answers in f32 do not depend on which requests were computed together.
  server = await startServer("--exact");
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
after(async () => assert.equal(await server.stop(), 0));

async function running() {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(text.match(/^quern_running_requests\{.*\} (\d+)$/m)[1]);
}

test("models are listed and retrieved", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["story"]);
  assert.equal((await client.models.retrieve("story")).object, "model");
  await assert.rejects(client.models.retrieve("other"), OpenAI.NotFoundError);
});

test("a chat is answered", async () => {
  const answer = await client.chat.completions.create({ ...options, messages });
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.choices[0].message.role, "assistant");
  assert.ok(answer.choices[0].message.content.length > 0);
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.usage.completion_tokens, 16);
  assert.ok(answer._request_id.startsWith("req_"));
});

test("a streamed chat is the same chat", async () => {
  const whole = await client.chat.completions.create({ ...options, messages });
  const stream = await client.chat.completions.create({
    ...options,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let usage;
  let reason;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(reason, "length");
  assert.deepEqual(usage.total_tokens, whole.usage.total_tokens);
});

test("the client's own runner collects a stream", async () => {
  const runner = client.chat.completions.stream({ ...options, messages });
  const content = await runner.finalContent();
  const whole = await client.chat.completions.create({ ...options, messages });
  assert.equal(content, whole.choices[0].message.content);
});

/** What was answered, numbers to rounding. */
const rounded = (choices) =>
  JSON.parse(JSON.stringify(choices, (key, value) => (key === "logprob" ? value.toFixed(3) : value)));

test("seed, n, stop and logprobs are taken", async () => {
  const asked = { ...options, messages, temperature: 1, top_p: 0.9, seed: 3, n: 2, logprobs: true, top_logprobs: 2 };
  const first = await client.chat.completions.create(asked);
  const second = await client.chat.completions.create(asked);
  assert.deepEqual(rounded(first.choices), rounded(second.choices));
  assert.equal(first.choices.length, 2);
  assert.equal(first.choices[0].logprobs.content.length, 16);
  assert.equal(first.choices[0].logprobs.content[0].top_logprobs.length, 2);
  const text = first.choices[0].message.content;
  const stop = text.slice(12, 15);
  const stopped = await client.chat.completions.create({ ...asked, n: 1, stop: [stop] });
  assert.equal(stopped.choices[0].message.content, text.slice(0, text.indexOf(stop)));
  assert.equal(stopped.choices[0].finish_reason, "stop");
});

test("logit_bias is taken, and what asks for nothing changes nothing", async () => {
  const plain = await client.chat.completions.create({ ...options, messages });
  const nothing = await client.chat.completions.create({
    ...options,
    messages,
    tools: [],
    tool_choice: "none",
    logprobs: false,
    top_logprobs: 0,
    logit_bias: {},
    top_p: 0,
  });
  assert.equal(nothing.choices[0].message.content, plain.choices[0].message.content);
  const asked = { ...options, messages, logprobs: true, top_logprobs: 2 };
  const first = (await client.chat.completions.create(asked)).choices[0].logprobs.content[0];
  assert.ok(first.bytes.length > 0);
  const bias = Object.fromEntries([...Array(1024).keys()].map((token) => [token, token === 300 ? 100 : -100]));
  const forced = await client.chat.completions.create({ ...asked, logit_bias: bias, max_tokens: 2 });
  const tokens = forced.choices[0].logprobs.content.map((entry) => entry.token);
  assert.equal(tokens[0], tokens[1]);
  assert.notEqual(tokens[0], first.token);
});

test("completions are answered, streamed or not", async () => {
  const prompt = "Once upon a time";
  const whole = await client.completions.create({ ...options, prompt, logprobs: 1 });
  assert.equal(whole.object, "text_completion");
  assert.equal(whole.choices[0].logprobs.tokens.length, 16);
  let text = "";
  for await (const chunk of await client.completions.create({ ...options, prompt, stream: true })) {
    text += chunk.choices[0].text;
  }
  assert.equal(text, whole.choices[0].text);
});

test("errors have the client's own types and name the member", async () => {
  await assert.rejects(client.chat.completions.create({ ...options, messages, model: "other" }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.equal(error.param, "model");
    return true;
  });
  await assert.rejects(client.chat.completions.create({ ...options, messages, temperature: 9 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "temperature");
    assert.equal(error.type, "invalid_request_error");
    return true;
  });
  await assert.rejects(client.embeddings.create({ model: "story", input: "x" }), OpenAI.NotFoundError);
});

test("an aborted stream frees its slot", async () => {
  const controller = new AbortController();
  const stream = await client.chat.completions.create(
    { ...options, messages, max_tokens: 400, ignore_eos: true, stream: true },
    { signal: controller.signal },
  );
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) break;
  }
  controller.abort();
  const left = Date.now();
  while ((await running()) > 0) assert.ok(Date.now() - left < 1000);
});
