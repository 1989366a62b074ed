"""Amazon States Language without AWS or the CDK: definitions as data, the rules they must keep, and their JSONata."""
