"""What runs first in the single file: standard library only, and as little of that as possible."""
