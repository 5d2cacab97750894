"""The trainers: each fits one kind of model and says it as an ONNX graph."""
