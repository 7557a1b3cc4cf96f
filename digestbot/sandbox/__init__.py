"""A local stand-in for the platforms, faithful enough for tweepy and facebook-sdk, which injects faults on request.

It serves the tests, the demo, and operators who rehearse their configuration before going live. `Sandbox` runs it, and
each platform's folder has its API. `platforms.sandbox_world` holds its posts and its faults.
"""

from digestbot.platforms.sandbox_http import Answer
from digestbot.platforms.sandbox_world import FAULTS, LIES, Fault, Faults, World
from digestbot.sandbox.server import Sandbox

__all__ = ["FAULTS", "LIES", "Answer", "Fault", "Faults", "Sandbox", "World"]
