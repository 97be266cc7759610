"""Operators of a TensorFlow SavedModel that could do more than compute, found without TensorFlow.

A SavedModel is a program: TensorFlow runs whatever operators it holds, and some of them write files, open sockets or
call Python, a few while it is loaded. So each one has to be on a list of those that only turn tensors into tensors.
Reading and writing checkpoints is in every SavedModel; it is let pass where only saving and restoring lead to it.
Only this module knows which operators are harmless.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from czengine.errors import ModelError
from czengine.graph.protobuf import DAMAGED, messages

# field numbers of TensorFlow's saved_model.proto, meta_graph.proto, saver.proto, graph.proto, function.proto,
# node_def.proto and attr_value.proto
_META_GRAPHS = 2
_GRAPH, _SAVER, _COLLECTIONS, _SIGNATURES, _OBJECTS = 2, 3, 4, 5, 7
_NODES = 1
_FUNCTIONS = (2, 1)
_FUNCTION_NAME, _FUNCTION_NODES = (1, 1), 3
_NODE_NAME, _NODE_OPERATOR, _NODE_INPUTS, _NODE_ATTRIBUTES = 1, 2, 3, (5, 2)
_CALLED, _CALLED_IN_LIST, _CALLED_NAME, _CALLED_ATTRIBUTES = 10, (1, 9), 1, (2, 2)
_RESTORE_NODE = 3
_COLLECTED_NODES = (2, 1, 1)
# names of tensors in a signature: of its inputs (1) and outputs (2); plain, of a sparse one, of one with components
_TENSORS = [(2, ends, 2, *tensor) for ends in (1, 2) for tensor in [(1,), (4, 1), (4, 2), (4, 3), (5, 2, 1)]]

_RESTORING = frozenset(("RestoreV2", "Restore", "RestoreSlice"))
_SAVING_NAMES = """
    SaveV2 Save SaveSlices MergeV2Checkpoints ShardedFilename ShardedFilespec StringJoin StaticRegexFullMatch
    RegexFullMatch DisableCopyOnRead
"""
_COMPUTING_NAMES = """
    Placeholder PlaceholderV2 PlaceholderWithDefault Const HostConst GuaranteeConst NoOp Identity IdentityN Snapshot
    StopGradient PreventGradient EnsureShape CheckNumerics CheckNumericsV2 Assert ControlTrigger FakeParam DeepCopy

    Variable VariableV2 VarHandleOp VarIsInitializedOp IsVariableInitialized ReadVariableOp VariableShape Assign
    AssignAdd AssignSub AssignVariableOp AssignAddVariableOp AssignSubVariableOp ResourceGather ResourceGatherNd
    TemporaryVariable DestroyTemporaryVariable

    PartitionedCall StatefulPartitionedCall If StatelessIf While StatelessWhile Case StatelessCase For Switch Merge
    Enter Exit NextIteration LoopCond RefSwitch RefMerge RefEnter RefExit RefNextIteration RefIdentity RefSelect
    EmptyTensorList TensorListReserve TensorListFromTensor TensorListStack TensorListGetItem TensorListSetItem
    TensorListLength TensorListElementShape TensorListPushBack TensorListPopBack TensorListConcat TensorListConcatV2
    TensorListGather TensorListScatter TensorListScatterV2 TensorListSplit TensorListResize TensorArrayV3
    TensorArrayReadV3 TensorArrayWriteV3 TensorArrayGatherV3 TensorArrayScatterV3 TensorArraySizeV3
    TensorArrayConcatV3 TensorArraySplitV3 TensorArrayCloseV3

    Shape ShapeN Size Rank Reshape Squeeze ExpandDims Transpose ConjugateTranspose InvertPermutation Concat ConcatV2
    ConcatOffset ParallelConcat Pack Unpack Split SplitV Slice StridedSlice StridedSliceAssign
    ResourceStridedSliceAssign TensorStridedSliceUpdate Gather GatherV2 GatherNd ScatterNd TensorScatterAdd
    TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate Tile Fill ZerosLike OnesLike Empty Range
    LinSpace Pad PadV2 MirrorPad Reverse ReverseV2 ReverseSequence Roll OneHot BroadcastTo BroadcastArgs
    BroadcastGradientArgs Where Select SelectV2 Cast Bitcast Diag DiagPart MatrixDiag MatrixDiagV2 MatrixDiagV3
    MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixBandPart
    Unique UniqueV2 UniqueWithCounts UnravelIndex DynamicPartition DynamicStitch ParallelDynamicStitch Bucketize
    Bincount DenseBincount HistogramFixedWidth SpaceToBatch SpaceToBatchND BatchToSpace BatchToSpaceND SpaceToDepth
    DepthToSpace ExtractImagePatches ExtractVolumePatches TopK TopKV2 InTopK InTopKV2 NthElement LowerBound UpperBound
    ListDiff QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2 Dequantize
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel

    Abs Acos Acosh Add AddN AddV2 AccumulateNV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh BesselI0 BesselI0e
    BesselI1 BesselI1e Betainc BitwiseAnd BitwiseOr BitwiseXor Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross
    Cumprod Cumsum CumulativeLogsumexp Digamma Div DivNoNan Equal Erf Erfc Erfinv EuclideanNorm Exp Expm1 Floor
    FloorDiv FloorMod Greater GreaterEqual Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan LeftShift Less LessEqual
    Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg NextAfter
    NotEqual Polygamma Pow Prod All Any Real RealDiv Reciprocal RightShift Rint Round Rsqrt Sign Sin Sinh Sqrt Square
    SquaredDifference Sub Sum Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta ArgMax ArgMin SegmentMax
    SegmentMean SegmentMin SegmentProd SegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
    UnsortedSegmentSum

    MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 SparseMatMul Einsum Cholesky MatrixDeterminant MatrixExponential
    MatrixInverse MatrixLogarithm MatrixSolve MatrixSolveLs MatrixSquareRoot MatrixTriangularSolve LogMatrixDeterminant
    Lu Qr Svd SelfAdjointEigV2 FFT FFT2D FFT3D IFFT IFFT2D IFFT3D RFFT RFFT2D RFFT3D IRFFT IRFFT2D IRFFT3D

    BiasAdd BiasAddV1 Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInput
    Conv3DBackpropInputV2 DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput Dilation2D FusedPadConv2D
    FusedResizeAndPadConv2D _FusedConv2D _FusedMatMul AvgPool AvgPool3D MaxPool MaxPoolV2 MaxPool3D MaxPoolWithArgmax
    FractionalAvgPool FractionalMaxPool FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    BatchNormWithGlobalNormalization LRN L2Loss Relu Relu6 Elu Selu LeakyRelu Sigmoid Softmax LogSoftmax Softplus
    Softsign SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits

    ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate CropAndResize RGBToHSV HSVToRGB
    AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation ImageProjectiveTransformV2 ImageProjectiveTransformV3
    NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5
    CombinedNonMaxSuppression ExtractGlimpse ExtractGlimpseV2

    RandomUniform RandomUniformInt RandomStandardNormal RandomGamma RandomPoissonV2 RandomShuffle TruncatedNormal
    ParameterizedTruncatedNormal Multinomial StatelessMultinomial StatelessRandomGetAlg StatelessRandomGetKeyCounter
    StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomUniform
    StatelessRandomUniformV2 StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformFullInt
    StatelessRandomUniformFullIntV2 StatelessRandomBinomial StatelessTruncatedNormal StatelessTruncatedNormalV2
    StatelessShuffle StatefulStandardNormalV2 StatefulUniform StatefulUniformFullInt StatefulUniformInt
    StatefulTruncatedNormal RngReadAndSkip RngSkip
"""
_SAVING = frozenset(_SAVING_NAMES.split())
_COMPUTING = frozenset(_COMPUTING_NAMES.split())
_READING = "/Read/ReadVariableOp"  # TensorFlow 1 reads variables through nodes that it knows by name only
_OPERATOR_NAME = re.compile(r"_?[A-Z]")  # whatever a library calls like this is no function of its own


@dataclass(frozen=True, kw_only=True)
class _Node:
    """Names: of the node, of its operator (several where it is not clear), of nodes before it, of what it calls."""

    names: tuple[str, ...]
    operators: tuple[str, ...]
    inputs: tuple[str, ...]
    calls: tuple[str, ...]


def forbidden_operators(graph: bytes) -> tuple[str, ...]:
    """Names of all operators that are not known to be harmless where they stand, each once, sorted.

    Parameters
    ----------
    graph : bytes
        Content of a `saved_model.pb`.

    Raises
    ------
    ModelError
        If the bytes are no SavedModel.
    """
    try:
        found = {name for part in messages(graph, _META_GRAPHS) for name in _Program(part).forbidden()}
    except DAMAGED as error:
        raise ModelError("the network's saved_model.pb is damaged; export the model again") from error
    return tuple(sorted(found))


class _Program:
    """One graph of a SavedModel with its functions, and what is run of it."""

    def __init__(self, meta_graph: bytes) -> None:
        self._meta_graph = meta_graph
        self._functions: dict[str, list[_Node]] = {}
        self._nodes: dict[str, list[_Node]] = {}
        self._all: list[_Node] = []
        for graph in messages(meta_graph, _GRAPH):
            self._add_functions(graph)
        for node in map(_node, messages(meta_graph, _GRAPH, _NODES)):
            self._all.append(node)
            for name in node.names:
                self._nodes.setdefault(name, []).append(node)

    def forbidden(self) -> Iterator[str]:
        """Operators that must not stand where they stand."""
        called = self._called(self._all)
        objects = b"".join(messages(self._meta_graph, _OBJECTS))
        loose = [name for name in self._functions if name not in called or name.encode() in objects]
        running = self._with_functions(self._before(self._fetched()), loose)
        restoring = self._with_functions(self._before(self._restored()))
        everything = [*self._all, *(node for nodes in self._functions.values() for node in nodes)]
        yield from self._beyond(running, _COMPUTING)
        yield from self._beyond(restoring, _COMPUTING | _RESTORING)
        yield from self._beyond(everything, _COMPUTING | _RESTORING | _SAVING)

    def _add_functions(self, graph: bytes) -> None:
        for function in messages(graph, *_FUNCTIONS):
            nodes = [_node(node) for node in messages(function, _FUNCTION_NODES)]
            for name in messages(function, *_FUNCTION_NAME):
                self._functions.setdefault(name.decode(), []).extend(nodes)

    def _fetched(self) -> Iterator[str]:
        """Nodes that loading or calling may ask for: of signatures, of collections of nodes, those that read."""
        for path in [(_SIGNATURES, *tensor) for tensor in _TENSORS] + [(_COLLECTIONS, *_COLLECTED_NODES)]:
            yield from map(_node_name, messages(self._meta_graph, *path))
        yield from (name for name in self._nodes if name.endswith(_READING))

    def _restored(self) -> Iterator[str]:
        return map(_node_name, messages(self._meta_graph, _SAVER, _RESTORE_NODE))

    def _before(self, names: Iterable[str]) -> list[_Node]:
        """The nodes, and all they need."""
        waiting = list(names)
        seen = set(waiting)
        found = []
        while waiting:
            for node in self._nodes.get(waiting.pop(), ()):
                found.append(node)
                waiting += [name for name in node.inputs if name not in seen]
                seen.update(node.inputs)
        return found

    def _with_functions(self, nodes: Collection[_Node], names: Iterable[str] = ()) -> list[_Node]:
        """The nodes, and those of all functions that they call or that are named."""
        called = self._called(nodes, names)
        return [*nodes, *(node for name in called for node in self._functions[name])]

    def _called(self, nodes: Iterable[_Node], names: Iterable[str] = ()) -> set[str]:
        waiting = [name for node in nodes for name in (*node.operators, *node.calls)] + list(names)
        called: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in self._functions and name not in called:
                called.add(name)
                waiting += [n for node in self._functions[name] for n in (*node.operators, *node.calls)]
        return called

    def _beyond(self, nodes: Iterable[_Node], allowed: frozenset[str]) -> Iterator[str]:
        for name in {name for node in nodes for name in (*node.operators, *node.calls)} - allowed:
            if name not in self._functions or _OPERATOR_NAME.match(name):
                yield name


def _node(node: bytes) -> _Node:
    return _Node(
        names=tuple(name.decode() for name in messages(node, _NODE_NAME)),
        operators=tuple(name.decode() for name in messages(node, _NODE_OPERATOR)),
        inputs=tuple(_node_name(name) for name in messages(node, _NODE_INPUTS)),
        calls=tuple(_calls(list(messages(node, *_NODE_ATTRIBUTES)))),
    )


def _calls(attributes: list[bytes]) -> Iterator[str]:
    """Names of functions in attributes, and in the attributes of those."""
    while attributes:
        value = attributes.pop()
        for called in (*messages(value, _CALLED), *messages(value, *_CALLED_IN_LIST)):
            yield from (name.decode() for name in messages(called, _CALLED_NAME))
            attributes += messages(called, *_CALLED_ATTRIBUTES)


def _node_name(tensor: bytes) -> str:
    """Of a tensor such as "conv/Relu:0", or an order such as "^init"."""
    return tensor.decode().lstrip("^").partition(":")[0]
