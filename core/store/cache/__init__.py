"""Recent ticks kept at hand: in memory, in Redis, and both as tiers."""
