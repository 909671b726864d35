"""TraceGen: image + depth + sentence -> how a grid of scene points will move in 3D."""
