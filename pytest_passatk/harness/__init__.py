"""The pytest layer: options, collection, items, session, terminal. Nothing outside of it imports pytest."""
