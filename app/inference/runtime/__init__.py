"""The runtimes that run a network: ONNX Runtime and OpenVINO behind one session."""
