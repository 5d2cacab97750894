"""Training: from a training set and a contract to an ONNX model whose conversion is proven."""
