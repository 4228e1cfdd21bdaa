// Two turns with the AI SDK, each with the call of a tool; prints what the model said in the end.
// Arguments: the directory that the packages are in, and the address of the server.
import { createRequire } from "node:module";
const load = createRequire(process.argv[2] + "/package.json");
const { generateText, isStepCount, tool } = load("ai");
const { createOpenAICompatible } = load("@ai-sdk/openai-compatible");
const { z } = load("zod");

const provider = createOpenAICompatible({ name: "local", baseURL: process.argv[3] + "/v1", apiKey: "none" });
const speak = tool({
  description: "Says words.",
  inputSchema: z.object({ words: z.string() }),
  execute: async ({ words }) => words,
});
const messages = [];
for (const content of ["Say the first thing", "Say the second thing"]) {
  messages.push({ role: "user", content });
  const reply = await generateText({
    model: provider("m"), system: "You speak.", messages, tools: { speak }, stopWhen: isStepCount(3),
  });
  messages.push(...reply.responseMessages);
  console.log(reply.text);
}
