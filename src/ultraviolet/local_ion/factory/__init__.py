"""The simulated plant: a hardware company that buys, receives, builds and finds defects, as any user would."""
