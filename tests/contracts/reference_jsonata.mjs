// The reference implementation of JSONata, in the version that AWS documents, as a filter: a JSON array of
// {expression, variables} on standard input, an array of {value} | {nothing: true} | {error} on standard output.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const jsonata = createRequire(`${process.argv[2]}/`)("jsonata");

const partition = (items, size) =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
const range = (start, end, step) =>
  Array.from({ length: Math.max(0, Math.floor((end - start) / step) + 1) }, (_, at) => start + at * step);
const functions = {
  parse: (text) => {
    if (typeof text !== "string") throw new TypeError("$parse takes text");
    return JSON.parse(text);
  },
  hash: (text, algorithm) => createHash(algorithm.replace("-", "").toLowerCase()).update(text).digest("hex"),
  partition: (items, size) => partition(Array.isArray(items) ? items : [items], Math.floor(size)),
  range: (start, end, step) => range(Math.floor(start), Math.floor(end), Math.floor(step)),
};

async function evaluated({ expression, variables }) {
  try {
    const compiled = jsonata(expression);
    for (const [name, code] of Object.entries(functions)) compiled.registerFunction(name, code);
    const value = await compiled.evaluate(undefined, variables);
    return value === undefined ? { nothing: true } : { value };
  } catch (error) {
    return { error: error.code ?? String(error.message) };
  }
}

let text = "";
for await (const part of process.stdin) text += part;
const answers = [];
for (const each of JSON.parse(text)) answers.push(await evaluated(each));
process.stdout.write(JSON.stringify(answers));
