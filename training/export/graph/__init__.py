"""From a trained network to an ONNX graph, and from graph to graph."""
