"""Published models and how they are run: the only room that knows ONNX Runtime."""
