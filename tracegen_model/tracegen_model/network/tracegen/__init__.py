"""TraceGen as published: frozen DINOv3, SigLIP and T5 towers, and a CogVideoX-style transformer over traces."""
