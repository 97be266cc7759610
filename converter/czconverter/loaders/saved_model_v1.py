"""SavedModels without objects: as TensorFlow 1 wrote them, and as this converter writes them.

TensorFlow 2 loads them too, but leaves their variables in the session of a hidden graph, from where they cannot be
frozen; so they are made constants here, as TensorFlow 1 did it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from czconverter import frameworks
from czengine.errors import ModelError


def signatures_of(folder: Path) -> dict[str, Any]:
    """Functions by the name of their signature; each takes the tensors it is called with by position.

    Returns
    -------
    dict
        Name to (function, inputs, outputs); the last two are tf.TensorSpec by key.
    """
    tf = frameworks.load("tensorflow")
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        loaded = v1.saved_model.load(session, [v1.saved_model.tag_constants.SERVING], str(folder))
        return {
            name: _function(session, graph.as_graph_def(), signature)
            for name, signature in loaded.signature_def.items()
            if signature.inputs and signature.outputs
        }


def _function(session: Any, graph: Any, signature: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    tf = frameworks.load("tensorflow")
    v1 = tf.compat.v1
    inputs, outputs = _specs(signature.inputs), _specs(signature.outputs)
    ends = [spec.name for spec in outputs.values()]
    nodes = [name.partition(":")[0] for name in ends]
    frozen = v1.graph_util.convert_variables_to_constants(session, graph, nodes)
    with tf.init_scope():  # outside of the session's graph
        whole = v1.wrap_function(lambda: tf.import_graph_def(frozen, name=""), [])
        named = [whole.graph.as_graph_element(name) for name in ends]
        feeds = [whole.graph.as_graph_element(spec.name) for spec in inputs.values()]
        return whole.prune(feeds, named), inputs, outputs


def _specs(tensors: Any) -> dict[str, Any]:
    """What a signature says about its tensors: their names in the graph, types and shapes."""
    tf = frameworks.load("tensorflow")
    if any(not info.name for info in tensors.values()):
        raise ModelError("the network takes or gives sparse tensors; only pictures are supported")
    return {
        key: tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.as_dtype(info.dtype), name=info.name)
        for key, info in sorted(tensors.items())
    }
