"""What has been deployed to the cloud that runs now."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commerce_platform.cli.workspace import Workspace


@dataclass(frozen=True)
class Deployed:
    """An app as it was deployed.

    Attributes:
        inputs: Digest of what its assembly was made of.
        content: Digest of the assembly.
        against: Digest of what other apps had published that it reads when it is deployed (`cdk.against`).
        stacks: Its stacks → the version that this deployment made (`standing.versions`).
        at: When, in seconds since the epoch.
    """

    inputs: str
    content: str
    against: str
    stacks: dict[str, str]
    at: float


@dataclass
class State:
    """Deployments by app, for one identity of the cloud: a cloud that was restarted or reset has none of them.

    Attributes:
        cloud: The identity.
        apps: What was deployed, by folder.
    """

    cloud: str
    apps: dict[str, Deployed] = field(default_factory=dict)

    @classmethod
    def load(cls, workspace: Workspace, cloud: str) -> State:
        """What is known of this cloud; nothing, if the record is of another one or unreadable."""
        try:
            record = json.loads((workspace.local / "state.json").read_text())
            apps = {name: Deployed(**app) for name, app in record["apps"].items()}
            state = cls(record["cloud"], apps)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return cls(cloud)
        return state if state.cloud == cloud else cls(cloud)

    def save(self, workspace: Workspace) -> None:
        """Write it, whole or not at all."""
        workspace.local.mkdir(parents=True, exist_ok=True)
        whole = workspace.local / "state.tmp"
        whole.write_text(json.dumps(asdict(self), indent=2) + "\n")
        whole.replace(workspace.local / "state.json")
