"""Contracts that execute: services run together as their templates say, and what one sends is what the others can read."""

from service_testing.contracts.inputs import Heard as Heard
from service_testing.contracts.inputs import Inputs as Inputs
from service_testing.contracts.inputs import Request as Request
from service_testing.contracts.inputs import shared as shared
from service_testing.contracts.observations import Observations as Observations
from service_testing.contracts.observations import judged as judged
from service_testing.contracts.participants import Participant as Participant
from service_testing.contracts.participants import participant as participant
from service_testing.contracts.run import HISTORIES as HISTORIES
from service_testing.contracts.run import alone as alone
from service_testing.contracts.run import execute as execute
from service_testing.contracts.world import World as World
