"""TensorRT and TensorRT for RTX: engines are built from a checkpoint's graphs, kept, and run on an NVIDIA GPU."""
