"""From finished weights to a published model: ONNX graphs, parity with torch, manifest, model store."""
