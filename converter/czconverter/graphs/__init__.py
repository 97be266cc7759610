"""Pure functions on `onnx.ModelProto`: they copy their argument, never change it."""
