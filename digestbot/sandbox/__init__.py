"""A local X and Facebook: faithful enough that tweepy and facebook-sdk cannot tell, and rude on request.

It serves the tests, the demo, and operators who rehearse their configuration before going live. `Sandbox` runs
it; `World` is what has happened in it; `Faults` is how it misbehaves.
"""

from digestbot.sandbox.server import Sandbox
from digestbot.sandbox.world import FAULTS, LIES, Answer, Fault, Faults, World

__all__ = ["FAULTS", "LIES", "Answer", "Fault", "Faults", "Sandbox", "World"]
