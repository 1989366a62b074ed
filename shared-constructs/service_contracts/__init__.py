"""Contracts between services: what one publishes, what another reads of it, and whether the two still fit.

Plain functions on JSON Schemas and CloudFormation templates: no CDK, no AWS, no network. A service keeps them in
`<service>/contracts/`:

- `published/`: a JSON Schema per event and major (`OrderPlaced.v1.json`), `asyncapi.json`, `openapi.json`: generated, committed and
  compared, so that a change of a contract is a change in review; `published/released/` as they were last released.
- `consumed/`: the small models of what the service reads, the producers' schemas as they were when it was written, and
  `contracts.lock.json`.
"""

# ruff: noqa: E402 - what is missing is named before it is missed

from service_extras import require

require("contracts", of=__name__)

from service_contracts.service import ContractError as ContractError
from service_contracts.service import Contracts as Contracts
