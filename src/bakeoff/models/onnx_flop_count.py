"""Counts the arithmetic of an ONNX encoder by running it with ONNX Runtime's profiler on.

The profiler writes down the shapes that each operator really saw, so the count needs no knowledge of the architecture and
no parser of the graph. The graph runs as it was exported, without the runtime's fusions: fused kernels have names and
inputs of their own, and fusing changes what is stored, not what is multiplied.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.errors import AssetError, needs
from bakeoff.models.encoder import SentenceEncoder, _model_file
from bakeoff.models.flop_count import FlopCount
from bakeoff.models.threads import threads

_PRODUCTS = frozenset([
    "DynamicQuantizeMatMul", "MatMul", "MatMulInteger", "MatMulIntegerToFloat", "MatMulNBits", "QLinearMatMul",
])  # fmt: skip
_MOVES = frozenset([
    "Cast", "CastLike", "Compress", "Concat", "Constant", "ConstantOfShape", "DepthToSpace", "Expand", "EyeLike", "Flatten",
    "Gather", "GatherElements", "GatherND", "Identity", "NonZero", "OneHot", "Pad", "Range", "Reshape", "Resize",
    "ReverseSequence", "Scatter", "ScatterElements", "ScatterND", "Shape", "Size", "Slice", "SpaceToDepth", "Split", "Squeeze",
    "Tile", "TopK", "Transpose", "Trilu", "Unique", "Unsqueeze", "Where",
])  # fmt: skip
_REDUCES = frozenset([
    "ArgMax", "ArgMin", "BatchNormalization", "CumSum", "GlobalAveragePool", "LayerNormalization", "LogSoftmax",
    "LpNormalization", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "RMSNormalization", "SimplifiedLayerNormalization", "Softmax",
])  # fmt: skip
_ELEMENTWISE = frozenset([
    "Abs", "Add", "And", "BiasGelu", "Ceil", "Clip", "Cos", "DequantizeLinear", "Div", "DynamicQuantizeLinear", "Elu", "Equal",
    "Erf", "Exp", "FastGelu", "Floor", "Gelu", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "QuantizeLinear", "QuickGelu", "Reciprocal",
    "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softplus", "Sqrt", "Sub", "Sum", "Tanh", "Xor",
])  # fmt: skip


def count_onnx(path: Path, lengths: Iterable[int]) -> dict[int, FlopCount]:
    """Operations of one text of each length (in tokens) through the encoder at `path` (a folder or an ``.onnx`` file).

    Integer products count like floating-point ones. Operators without a formula are in `FlopCount.uncounted`.

    Raises
    ------
    AssetError
        If the model cannot be loaded or run.
    """
    needs("onnxruntime", extra="text", why="Counting the operations of an ONNX model")
    import numpy as np
    import onnxruntime

    model = path if path.is_file() else _model_file(path)
    wanted = sorted(set(lengths))
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads()
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="bakeoff-profile-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        try:
            session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            for length in wanted:
                session.run(
                    None,
                    {
                        given.name: np.full((1, length), 0 if "type" in given.name else 1, dtype=np.int64)
                        for given in session.get_inputs()
                    },
                )
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        except Exception as error:  # the library raises plain exceptions of its own making
            raise AssetError(f"{model} cannot be run to count its operations: {error}", fix="fetch the model again") from error
    spans = [(event["ts"], event["ts"] + event["dur"]) for event in events if event.get("name") == "model_run"]
    nodes = [event for event in events if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time")]
    return {
        length: _sum([event for event in nodes if begin <= event["ts"] <= end])
        for length, (begin, end) in zip(wanted, sorted(spans), strict=True)
    }


def token_counts(encoder: SentenceEncoder, texts: Sequence[str]) -> list[int]:
    """Tokens that the encoder really reads of each text: special tokens included, cut where it cuts."""
    return (
        [len(each.ids) for each in encoder._tokenizer.encode_batch([encoder._readable(text) for text in texts])] if texts else []
    )


def _sum(events: Sequence[Mapping[str, Any]]) -> FlopCount:
    by_operator: dict[str, int] = {}
    kinds: dict[str, set[str]] = {"uncounted": set(), "elementwise": set(), "reductions": set(), "moves": set()}
    for event in events:
        told = event.get("args", {})
        name = str(told.get("op_name", ""))
        shapes = [
            [next(iter(shape.values())) for shape in told.get(side, [])] for side in ("input_type_shape", "output_type_shape")
        ]
        flops = _flops(name, *shapes)
        if flops is not None:
            by_operator[name] = by_operator.get(name, 0) + flops
        elif name in _MOVES:
            kinds["moves"].add(name)
        elif name in _REDUCES:
            kinds["reductions"].add(name)
        else:
            kinds["elementwise" if name in _ELEMENTWISE else "uncounted"].add(name)
    return FlopCount(
        total=sum(by_operator.values()),
        by_operator=dict(sorted(by_operator.items())),
        **{kind: tuple(sorted(names)) for kind, names in kinds.items()},
    )


def _flops(name: str, inputs: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]]) -> int | None:
    """Twice the multiply-adds of one operator, or None where there is no formula for it."""
    if len(inputs) < 2 or not outputs or not inputs[0]:
        return None
    made = math.prod(outputs[0])
    if name in _PRODUCTS:
        return 2 * made * inputs[0][-1]
    if name == "Gemm":
        # Whether the first matrix is transposed is not in the profile; its elements over the output's rows are.
        return 2 * made * (math.prod(inputs[0]) // max(outputs[0][0], 1))
    if name == "Conv":
        return 2 * made * (math.prod(inputs[1]) // max(inputs[1][0], 1))
    return None
