// Finds the patterns by which opencode knows that a context is full, and prints which of them match each text.
// Arguments: opencode's program, and a file with a JSON list of texts.
import { readFileSync } from "node:fs";

const [program, texts] = process.argv.slice(2);
const source = readFileSync(program).toString("latin1");
// The program holds its own source; the patterns are a list of regular expressions, and llama-server's is one of them.
const at = source.indexOf("/exceeds the available context size/i");
const list = source.slice(source.lastIndexOf("[/", at), source.indexOf("/i]", at) + 3);
const patterns = new Function(`return ${list}`)();
const matches = (text) => patterns.filter((pattern) => pattern.test(text)).map(String);
console.log(JSON.stringify({ nPatterns: patterns.length, matches: JSON.parse(readFileSync(texts)).map(matches) }));
