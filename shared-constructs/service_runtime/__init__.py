"""What the handlers of every service share; deployed with the runtime layer, so it never loads CDK.

Handlers import from the modules, so that each pays at its cold start for no more than it uses:

- `envelope`: the envelope of every event; `money`: amounts in minor units
- `consumer`: a queue's events or messages, each handled, seen again or dead-lettered
- `rest`, `problems`: REST handlers whose every error is a problem document
- `clients`: AWS clients; `dynamodb`, `retries`: a table with plain items and optimistic locks; which errors pass, and repeating
- `observability`: logs and metrics with business keys
- `starts`: what every cold start is spared
"""

from service_runtime.starts import spare

spare()
