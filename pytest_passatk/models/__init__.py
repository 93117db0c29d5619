"""Models, one module a backend; each offers `load(target, options)` (see `core.protocols.LoadModel`)."""
