"""What a network shows of itself: its surest mistakes, where it looked (or why that is withheld), and what calibration did."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bakeoff.contract import Answer, Item, Json
from bakeoff.errors import BadData
from bakeoff.tasks.images.decode import as_address
from bakeoff.tasks.images.edges import edge_map
from bakeoff.tasks.images.sanity import LEAST_PICTURES, Sanity, check

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from bakeoff.tasks.images.decode import Pixels
    from bakeoff.tasks.images.pictures import Pictures

WORST = 12
MAPPED = 8
"""Pictures that are shown with their maps: half of them answered right."""
CHECKED = 32
"""Pictures that the check of the maps is made on."""
HIDDEN = 0.25
"""Share of a picture that is hidden to see what the network loses."""
LARGEST_SIDE = 64
BUDGET = 56_000
"""Characters of all pictures together; the last ones give way."""


class Calibrated(Protocol):
    """What is asked of a classifier: the names of its classes, and the temperature that its probabilities were divided by."""

    labels_: list[str]
    temperature_: float


def explain_network(
    network: torch.nn.Module,
    classifier: Calibrated,
    items: Sequence[Item],
    answers: Sequence[Answer],
    pictures: Pictures | None,
    *,
    prepare: Callable[[NDArray[np.uint8]], torch.Tensor] | None = None,
    seed: int = 0,
) -> dict[str, Json]:
    """What the report's section "Looking inside" shows of one network. Nothing is learned from it.

    Parameters
    ----------
    network : torch.nn.Module
        Prepared pictures in, scores of shape (n, classes) out, in the order of ``classifier.labels_``.
    classifier : object with ``labels_`` and ``temperature_``
    items, answers : sequences of length n
        Test items with their targets, and what was answered, with probabilities.
    pictures : Pictures or None
        The study's prepared pictures.
    prepare : callable, default=None
        ``prepare(array (n, size, size, 3) uint8) -> tensor``, as the network reads pictures; values / 255, channels first, where None.
    seed : int, default=0

    Returns
    -------
    dict
        JSON-able, under about 60 kB. ``worst``: at most 12 mistakes, the surest first (``id``, ``target``, ``said``, ``sure``,
        ``picture``). ``maps``: at most 8 answers, right and wrong (also ``right``, ``edges``, and ``gradcam`` where it is shown).
        ``gradcam``: ``shown``, ``why``, ``layer``, ``map`` (rows and columns), the figures of `sanity.Sanity`, and ``cascade``.
        ``hiding``: what is lost when a quarter of a picture is hidden, by what chose the quarter. ``calibration``: ``temperature``,
        and ``before`` and ``after`` it ``log_loss``, ``brier`` and ``ece``. A key is missing where it could not be made.

    Raises
    ------
    BadData
        If the pictures are not at hand.
    """
    import numpy as np
    import torch

    if pictures is None:
        raise BadData("The pictures were not handed over.", fix="call read_from(folder) first")
    to_tensor = prepare or _scaled
    place = {label: index for index, label in enumerate(classifier.labels_)}
    usable = [
        (item, answer)
        for item, answer in zip(items, answers, strict=True)
        if answer.answered and answer.probabilities and item.target in place and isinstance(item.input, str)
    ]
    wrong = sorted(((i, a) for i, a in usable if a.value != i.target), key=_surest)
    right = [(i, a) for i, a in usable if a.value == i.target]
    shown = [*wrong[: MAPPED // 2], *_spread(right, MAPPED - min(len(wrong), MAPPED // 2))]
    made: dict[str, Any] = {
        "worst": [{**_said(i, a), "picture": _small(pictures.picture(i.input))} for i, a in wrong[:WORST]],
        "calibration": _calibration(usable, classifier),
    }
    checked = _spread(usable, CHECKED)
    if len(checked) >= LEAST_PICTURES:
        pixels = np.stack([pictures.picture(item.input) for item, _ in checked])
        x, truth = to_tensor(pixels), [place[str(item.target)] for item, _ in checked]
        with torch.random.fork_rng(devices=[]):
            found = check(network, x, truth, size=min(pictures.size, LARGEST_SIDE), seed=seed)
        made["gradcam"] = _figures(found)
        made["hiding"] = hiding(network, pixels, truth, to_tensor, found)
        made["maps"] = _maps(network, shown, pictures, place, to_tensor, found)
    return _within_budget({key: value for key, value in made.items() if value})


def hiding(
    network: torch.nn.Module,
    pixels: NDArray[np.uint8],
    truth: Sequence[int],
    to_tensor: Callable[[NDArray[np.uint8]], torch.Tensor],
    found: Sanity,
    *,
    seed: int = 0,
) -> dict[str, Json]:
    """What the right class loses when a quarter of each picture is hidden: the quarter that Grad-CAM marks, that edges mark, and a random one.

    The random quarter is Grad-CAM's own, moved by a random step around the picture's borders, so that it has the same size and shape.
    Hidden places take the picture's mean colour. After the deletion test of Petsiuk, Das and Saenko (2018), at one size.

    Returns
    -------
    dict
        By ``gradcam`` (only where it is shown), ``edges`` and ``random``: mean loss of probability with its 95% interval over pictures
        (``mid``, ``low``, ``high``, ``n``); with ``before``, the mean probability of the right class with nothing hidden.
    """
    import numpy as np

    from bakeoff.measure.intervals import mean_interval
    from bakeoff.tasks.images.gradcam import grad_cam
    from bakeoff.tasks.images.sanity import chances

    rng = np.random.default_rng(seed)
    rows = np.arange(len(pixels))
    before = chances(network, to_tensor(pixels))[rows, list(truth)]
    size = pixels.shape[1]
    cam = grad_cam(network, to_tensor(pixels), truth, size=size, layer=found.layer)
    moved = np.stack(
        [np.roll(m, tuple(int(v) for v in rng.integers(size // 4, size - size // 4 + 1, 2)), axis=(0, 1)) for m in cam]
    )
    ways = {"gradcam": cam, "edges": np.stack([edge_map(one) for one in pixels]), "random": moved}
    made: dict[str, Json] = {"before": float(before.mean()), "share": HIDDEN}
    for name, maps in ways.items():
        if name == "gradcam" and not found.shown:
            continue
        lost = before - chances(network, to_tensor(_hidden(pixels, maps)))[rows, list(truth)]
        span = mean_interval(lost)
        made[name] = {"mid": float(span.mid), "low": float(span.low), "high": float(span.high), "n": len(lost)}
    return made


def _hidden(pixels: NDArray[np.uint8], maps: NDArray[np.float64]) -> NDArray[np.uint8]:
    import numpy as np

    n = round(HIDDEN * maps[0].size)
    changed = pixels.copy()
    for one, seen in zip(changed, maps, strict=True):
        places = np.unravel_index(np.argsort(-seen, axis=None, kind="stable")[:n], seen.shape)
        one[places] = one.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    return changed


def _maps(
    network: torch.nn.Module,
    shown: Sequence[tuple[Item, Answer]],
    pictures: Pictures,
    place: Mapping[str, int],
    to_tensor: Callable[[NDArray[np.uint8]], torch.Tensor],
    found: Sanity,
) -> list[dict[str, Json]]:
    import numpy as np

    from bakeoff.tasks.images.gradcam import grad_cam

    if not shown:
        return []
    pixels = np.stack([pictures.picture(item.input) for item, _ in shown])
    seen: Sequence[Any] = [None] * len(shown)
    if found.shown:
        said = [place[str(answer.value)] for _, answer in shown]
        seen = list(grad_cam(network, to_tensor(pixels), said, size=pictures.size, layer=found.layer))
    made: list[dict[str, Json]] = []
    for (item, answer), one, heat in zip(shown, pixels, seen, strict=True):
        row: dict[str, Json] = {**_said(item, answer), "right": answer.value == item.target, "picture": _small(one)}
        if heat is not None:
            row["gradcam"] = _small(overlay(one, heat))
        row["edges"] = _small(np.repeat((255 - 225 * edge_map(one)).round().astype(np.uint8)[..., None], 3, axis=2))
        made.append(row)
    return made


def overlay(pixels: Pixels, heat: NDArray[np.float64]) -> Pixels:
    """A map on its picture: the picture in pale grey, what the map marks in amber to dark red. Shapes (size, size, 3), (size, size)."""
    import numpy as np

    grey = np.repeat((pixels @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2) * 0.55 + 255 * 0.45
    stops = np.array([0.0, 0.5, 1.0])
    ramp = np.array([[255, 214, 102], [240, 110, 30], [140, 10, 30]], dtype=np.float64)
    colour = np.stack([np.interp(heat, stops, ramp[:, channel]) for channel in range(3)], axis=2)
    strength = (0.8 * np.clip(heat, 0, 1) ** 0.7)[..., None]
    return (grey * (1 - strength) + colour * strength).round().astype(np.uint8)


def _figures(found: Sanity) -> dict[str, Json]:
    def plain(value: float) -> float:
        return round(value, 4)

    return {
        "shown": found.shown, "why": found.why, "layer": found.layer.name, "map": [found.layer.high, found.layer.wide],
        "pictures": found.pictures, "copies": found.copies, "right": plain(found.right), "right_copies": plain(found.right_copies),
        "spread_copies": plain(found.spread_copies), "need": plain(found.need), "rank": plain(found.rank), "ssim": plain(found.ssim),
        "blank": plain(found.blank),
        "cascade": [{"down_to": step.down_to, "rank": plain(step.rank), "ssim": plain(step.ssim)} for step in found.cascade],
    }  # fmt: skip


def _calibration(usable: Sequence[tuple[Item, Answer]], classifier: Calibrated) -> dict[str, Json]:
    """Log loss, Brier score and ECE of the same answers with and without the temperature that was fitted on validation."""
    import numpy as np

    from bakeoff.measure.calibration import apply_temperature, ece
    from bakeoff.measure.classification import SMALLEST_PROBABILITY

    if not usable:
        return {}
    labels = classifier.labels_
    after = np.array([[(answer.probabilities or {}).get(label, 0.0) for label in labels] for _, answer in usable])
    truth = np.array([labels.index(str(item.target)) for item, _ in usable])
    before = apply_temperature(after, 1 / classifier.temperature_)  # what was divided by the temperature is multiplied by it

    def scores(chances: NDArray[np.float64]) -> dict[str, Json]:
        own = chances[np.arange(len(truth)), truth]
        return {
            "log_loss": float(-np.log(np.maximum(own, SMALLEST_PROBABILITY)).mean()),
            "brier": float(((chances - np.eye(len(labels))[truth]) ** 2).sum(axis=1).mean()),
            "ece": float(ece(chances.max(axis=1).clip(0, 1), chances.argmax(axis=1) == truth)),
        }

    return {"temperature": classifier.temperature_, "n": len(usable), "before": scores(before), "after": scores(after)}


def _scaled(pixels: NDArray[np.uint8]) -> torch.Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div_(255)


def _surest(pair: tuple[Item, Answer]) -> tuple[float, str]:
    return -_sure(pair[1]), pair[0].id


def _sure(answer: Answer) -> float:
    return float((answer.probabilities or {}).get(str(answer.value), 0.0))


def _said(item: Item, answer: Answer) -> dict[str, Json]:
    return {"id": item.id, "target": str(item.target), "said": str(answer.value), "sure": round(_sure(answer), 4)}


def _spread(pairs: Sequence[tuple[Item, Answer]], n: int) -> list[tuple[Item, Answer]]:
    """At most `n` pairs, of each class in turn, in an order that hangs on the ids alone."""
    classes: dict[str, list[tuple[Item, Answer]]] = {}
    for pair in sorted(pairs, key=lambda pair: hashlib.sha256(pair[0].id.encode()).digest()):
        classes.setdefault(str(pair[0].target), []).append(pair)
    turns = [
        some[turn]
        for turn in range(max(map(len, classes.values()), default=0))
        for _, some in sorted(classes.items())
        if turn < len(some)
    ]
    return turns[:n]


def _small(pixels: Pixels) -> str:
    """A picture of at most `LARGEST_SIDE` pixels a side, as an address."""
    import numpy as np
    from PIL import Image

    if len(pixels) > LARGEST_SIDE:
        pixels = np.array(Image.fromarray(pixels).resize((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS))
    return as_address(pixels, quality=60)


def _within_budget(made: dict[str, Any]) -> dict[str, Json]:
    """Leaves out the last mistakes and maps while the pictures are too many characters."""

    def size() -> int:
        rows = [*made.get("worst", ()), *made.get("maps", ())]
        return sum(len(row[key]) for row in rows for key in ("picture", "gradcam", "edges") if key in row)

    while size() > BUDGET:
        made["worst" if len(made.get("worst", ())) > len(made.get("maps", ())) else "maps"].pop()
    return made
