"""A network classifier as one ONNX file: pictures of bytes in, logits and calibrated probabilities out, nothing else to know.

Scaling, resizing and normalising are inside the graph, so whoever runs the file needs no preprocessing of their own: pictures of
shape (n, size, size, 3), red, green, blue, 0 to 255. The labels, the size, how a picture that is not square is brought to it, and
the temperature stand in the file's metadata. A graph that does not give torch's logits is refused.
"""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData, BakeoffError, needs
from bakeoff.models.threads import threads

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from bakeoff.tasks.images.classifier import PictureClassifier

TOLERANCE = 1e-3
"""Largest difference of a logit from torch's. Two sums of float32 in another order differ by about 1e-5."""
CHECKED = 64
"""Pictures that an export is checked on at most."""
FORMAT = "bakeoff.picture-classifier/1"
OPSET = 18
LARGEST_BYTES = 2_000_000_000


class ExportRefused(BakeoffError):
    """An export that cannot be made, or does not answer as torch does."""


@dataclass(frozen=True)
class Exported:
    """An ONNX model and how it was checked.

    Attributes
    ----------
    onnx : bytes
    difference : float
        Largest absolute difference of a logit from torch's, over `pictures` pictures, asked together and one alone.
    pictures : int
    """

    onnx: bytes
    difference: float
    pictures: int


def whole_network(network: torch.nn.Module, *, mirrored: bool = False) -> torch.nn.Module:
    """`network`, which takes (n, 3, size, size) in [0, 1], as one that takes pictures (n, size, size, 3) of bytes.

    With `mirrored`, the mean of the logits of each picture and of its mirror image.
    """
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            x = pictures.permute(0, 3, 1, 2).float() / 255
            if not mirrored:
                return self.network(x)
            # One pass over both, so that the network is in the graph once.
            return self.network(torch.cat([x, x.flip(-1)])).unflatten(0, (2, x.shape[0])).mean(0)

    return Whole().eval()


def export_network(whole: torch.nn.Module, pictures: NDArray[np.uint8], *, tolerance: float = TOLERANCE) -> Exported:
    """A network as ONNX with the one output ``logits``, checked against torch.

    Parameters
    ----------
    whole : torch module
        As `whole_network` makes it: (n, size, size, 3) uint8 -> (n, labels).
    pictures : array of shape (n, size, size, 3), uint8, n at least 1
        To check with; validation pictures, where there are some.
    tolerance : float

    Raises
    ------
    MissingExtra
        Without torch, onnx, onnxscript or onnxruntime.
    ExportRefused
        If torch cannot export the network, or the graph's logits differ by more than `tolerance`.
    """
    needs("torch", "onnx", "onnxscript", "onnxruntime", extra="images", why="Exporting a network to ONNX")
    import numpy as np
    import torch

    if not len(pictures):
        raise BadData("An export is checked on pictures, and there are none.", fix="give at least one picture")
    some = np.ascontiguousarray(pictures[:: max(1, len(pictures) // CHECKED)][:CHECKED])
    two = torch.from_numpy(np.ascontiguousarray(np.repeat(some[:1], 2, axis=0)))
    made = io.BytesIO()
    try:
        with warnings.catch_warnings(), _silent(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch's own exporter, about itself
            program = torch.onnx.export(
                whole, (two,), dynamo=True, opset_version=OPSET, input_names=["pictures"], output_names=["logits"],
                dynamic_shapes={"pictures": {0: torch.export.Dim("n", min=1, max=1 << 20)}}, verbose=False,
            )  # fmt: skip
        program.model_proto.metadata_props.clear()
        made.write(program.model_proto.SerializeToString())
    except Exception as error:  # the exporter raises a dozen kinds of its own
        raise ExportRefused(
            f"torch cannot export this network to ONNX ({type(error).__name__}).", fix="answer by torch: `runtime: torch`"
        ) from error
    session = open_session(made.getvalue())
    with torch.no_grad():
        ours = whole(torch.from_numpy(some.copy())).double().numpy()  # a read-only array makes torch warn
    difference = 0.0
    for part in (some, some[:1]):
        theirs = session.run(["logits"], {"pictures": part})[0].astype(np.float64)
        gap = float(np.abs(theirs - ours[: len(part)]).max())
        difference = max(difference, gap if np.isfinite(gap) else float("inf"))
    if difference > tolerance:
        raise ExportRefused(
            f"The exported graph's logits differ from torch's by up to {difference:.2g} on {len(some)} pictures; "
            f"at most {tolerance:g} is allowed.",
            fix="answer by torch: `runtime: torch`",
        )
    return Exported(made.getvalue(), difference, len(some))


def with_facts(onnx: bytes, *, labels: list[str], size: int, fit: str, temperature: float) -> bytes:
    """An exported graph with the output ``probabilities`` (of the calibrated logits) and the facts that `OnnxPictures` reads."""
    import onnx as library
    from onnx import TensorProto, helper

    model = library.load_model_from_string(onnx)
    graph = model.graph
    if [each.name for each in graph.output] == ["logits"]:
        graph.initializer.append(helper.make_tensor("temperature", TensorProto.FLOAT, [], [temperature]))
        graph.node.append(helper.make_node("Div", ["logits", "temperature"], ["calibrated"], name="calibrate"))
        graph.node.append(helper.make_node("Softmax", ["calibrated"], ["probabilities"], name="share", axis=1))
        graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(labels)]))
    facts = {"labels": labels, "size": size, "fit": fit, "temperature": temperature}
    del model.metadata_props[:]
    for key, value in (("format", FORMAT), *((f"bakeoff.{name}", json.dumps(fact)) for name, fact in facts.items())):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    library.checker.check_model(model)
    return bytes(model.SerializeToString())


def export_classifier(classifier: PictureClassifier, pictures: NDArray[np.uint8], *, tolerance: float = TOLERANCE) -> Exported:
    """A fitted classifier that is a network, as a whole ONNX file.

    Parameters
    ----------
    classifier : PictureClassifier
        ``images/cnn``, ``images/resnet9`` or ``images/transfer``, or one of your own with the attribute ``network_``
        (pictures (n, 3, size, size) in [0, 1] -> logits).
    pictures : array of shape (n, size, size, 3), uint8
        To check with.

    Raises
    ------
    ExportRefused
        As `export_network`, and for an approach that is no network.
    """
    network = getattr(classifier, "network_", None)
    if network is None:
        raise ExportRefused(
            f"{type(classifier).__name__} is no network, so there is no graph to export.", fix="export cnn, resnet9 or transfer"
        )
    whole = whole_network(network, mirrored=bool(getattr(classifier, "mirrored", False)))
    made = export_network(whole, pictures, tolerance=tolerance)
    whole_file = with_facts(
        made.onnx, labels=classifier.labels_, size=classifier.size_, fit=classifier.fit_, temperature=classifier.temperature_
    )
    return Exported(whole_file, made.difference, made.pictures)


class OnnxPictures:
    """An exported classifier, run by ONNX Runtime: no torch is imported.

    Attributes
    ----------
    labels : list of str
        Columns of every output.
    size, fit, temperature
        As of the classifier that was exported.
    """

    def __init__(self, onnx: bytes) -> None:
        self._session = open_session(onnx)
        facts = self._session.get_modelmeta().custom_metadata_map
        outputs = [each.name for each in self._session.get_outputs()]
        try:
            if facts["format"] != FORMAT or outputs != ["logits", "probabilities"]:
                raise KeyError("format")
            self.labels = [str(label) for label in json.loads(facts["bakeoff.labels"])]
            self.size, self.fit = int(json.loads(facts["bakeoff.size"])), json.loads(facts["bakeoff.fit"])
            self.temperature = float(json.loads(facts["bakeoff.temperature"]))
        except (KeyError, ValueError, TypeError) as error:
            raise BadData(
                "The ONNX file is no classifier of pictures that Bakeoff exported.", fix="export it with `export_classifier`"
            ) from error
        if list(self._session.get_inputs()[0].shape[1:]) != [self.size, self.size, 3] or self.fit not in ("crop", "pad"):
            raise BadData("The ONNX file's graph and its metadata do not agree.", fix="export it again")

    @classmethod
    def open(cls, path: Path) -> OnnxPictures:
        """From a file.

        Raises
        ------
        BadData
            If it cannot be read, or is no such file.
        """
        try:
            if path.stat().st_size > LARGEST_BYTES:
                raise BadData(f"{path} has more than {LARGEST_BYTES:,} bytes.", fix="give an exported classifier")
            return cls(path.read_bytes())
        except OSError as error:
            raise BadData(f"{path} cannot be read: {error.strerror}.", fix="check the path") from error

    def scores(self, x: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Logits, shape (n, len(labels)), of pictures (n, size, size, 3)."""
        return self._run("logits", x)

    def probabilities(self, x: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (n, len(labels)), of pictures (n, size, size, 3)."""
        return self._run("probabilities", x)

    def _run(self, output: str, x: NDArray[np.uint8]) -> NDArray[np.float64]:
        import numpy as np

        return np.asarray(self._session.run([output], {"pictures": np.ascontiguousarray(x)})[0], dtype=np.float64)


def open_session(onnx: bytes) -> Any:
    """An ONNX Runtime session on the CPU with the threads of this process' setting.

    Raises
    ------
    BadData
        If the bytes are no model.
    """
    needs("onnxruntime", extra="images", why="Answering by ONNX Runtime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises plain exceptions of its own making
        raise BadData("The file is no ONNX model that can be run.", fix="export it again") from error


class _silent:
    """The exporter writes its progress to standard output and to logs; a trial's output is the bench's own."""

    def __enter__(self) -> None:
        import contextlib
        import logging

        self._stack = contextlib.ExitStack()
        self._stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        self._stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        self._before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        import logging

        logging.disable(self._before)
        self._stack.close()
