"""What all sandboxes are built with: an app that can be told to misbehave, and a server for it."""

from mappers.sandbox.app import CONTROL, RecordedRequest, Sandbox, create_sandbox
from mappers.sandbox.faults import FaultPlan
from mappers.sandbox.reuse import shared
from mappers.sandbox.server import running, serve

__all__ = ["CONTROL", "FaultPlan", "RecordedRequest", "Sandbox", "create_sandbox", "running", "serve", "shared"]
