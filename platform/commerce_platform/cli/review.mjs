// What CloudFormation would do between two sets of templates, by the CDK's own comparison.
// stdin: {"before": {stack: template}, "after": {stack: template}}; stdout: a list, one entry for each stack that differs.
import { createRequire } from "node:module";
import { Writable } from "node:stream";

const require = createRequire(`${process.cwd()}/package.json`);
const { fullDiff, formatDifferences, formatSecurityChanges } = require("@aws-cdk/cloudformation-diff");

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { before, after } = JSON.parse(input);

const written = (format, diff) => {
  let text = "";
  format(new Writable({ write: (chunk, _, done) => { text += chunk; done(); } }), diff);
  return text;
};

// Whether a statement allows no more than another: it can be one of which something was taken away.
const within = (narrow, wide) => (narrow.not ? wide : narrow).values.every((value) => (narrow.not ? narrow : wide).values.includes(value));
const covers = (wide, narrow) =>
  JSON.stringify([wide.effect, wide.condition, wide.principals]) === JSON.stringify([narrow.effect, narrow.condition, narrow.principals]) &&
  ["actions", "resources"].every((of) => wide[of].not === narrow[of].not && within(narrow[of], wide[of]));

// The CDK calls every statement that is new more than before, one that has only lost an action as well.
const broadened = ({ permissionsBroadened, iamChanges: { statements, ...iam }, securityGroupChanges }) =>
  permissionsBroadened &&
  (securityGroupChanges.rulesAdded ||
    statements.removals.some((each) => each.isNegativeStatement) ||
    statements.additions.some((each) => !each.isNegativeStatement && !statements.removals.some((former) => covers(former, each))) ||
    Object.values(iam).some((changes) => changes?.hasAdditions));

const differing = [];
for (const stack of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
  const diff = fullDiff(before[stack] ?? {}, after[stack] ?? {});
  if (!diff.differenceCount) continue;
  const resources = [];
  diff.resources.forEachDifference((id, change) => {
    const type = change.oldResourceType ?? change.newResourceType;
    resources.push({ id, type, impact: change.changeImpact });
  });
  differing.push({
    stack,
    resources,
    text: written(formatDifferences, diff),
    permissions: broadened(diff) ? written(formatSecurityChanges, diff) : "",
  });
}
process.stdout.write(JSON.stringify(differing));
