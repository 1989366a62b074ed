"""EventBridge Pipes as AWS runs them: source, filter, enrichment, transformation, target, retry."""
