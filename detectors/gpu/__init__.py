"""The GPU pack: larger networks by torch and onnxruntime, batched across clips. Imports no runtime by itself."""
