// Sends a message through each of pi's APIs; prints what pi makes of the reply, one line of JSON an API.
// Arguments: the directory that pi is in, the address of the server, and the text of the message.
const [directory, url, text] = process.argv.slice(2);
const { complete, isContextOverflow } = await import(`${directory}/node_modules/@earendil-works/pi-ai/dist/compat.js`);

for (const api of ["openai-completions", "openai-responses", "anthropic-messages"]) {
  const baseUrl = api === "anthropic-messages" ? url : url + "/v1";
  const model = {
    id: "m", name: "m", provider: "local", api, baseUrl, reasoning: false, input: ["text"],
    cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }, contextWindow: 262144, maxTokens: 64,
  };
  const context = { messages: [{ role: "user", content: text, timestamp: 0 }] };
  const reply = await complete(model, context, { apiKey: "none", maxRetries: 0 });
  const { stopReason, errorMessage } = reply;
  console.log(JSON.stringify({ api, isOverflow: isContextOverflow(reply), stopReason, errorMessage }));
}
