"""The running service: it polls sources, plans editions, publishes posts and sends notifications. `app` assembles
it."""
