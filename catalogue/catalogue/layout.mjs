// Lay out graphs: a JSON object of named ELK graphs on standard input, the same with coordinates on standard output.
import ELK from "elkjs/lib/elk.bundled.js";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const elk = new ELK();
const graphs = Object.entries(JSON.parse(Buffer.concat(chunks).toString()));
const laidOut = {};
for (const [name, graph] of graphs) laidOut[name] = await elk.layout(graph);
process.stdout.write(JSON.stringify(laidOut));
