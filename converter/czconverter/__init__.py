"""Makes archives for czengine from TensorFlow, ONNX and PyTorch models. Nothing is here yet."""
