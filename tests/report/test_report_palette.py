"""The palette's claims, worked out here from the published matrices."""

import itertools

import numpy as np
import pytest

from bakeoff.report.palette import DARK, LIGHT, PAPER_DARK, PAPER_LIGHT, looks

# Machado, Oliveira and Fernandes (2009), severity 1.0: protanopia, deuteranopia, tritanopia.
SIGHTS = [
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
]
TO_LMS = np.array(
    [[0.41222147, 0.53633254, 0.05144599], [0.21190350, 0.68069955, 0.10739696], [0.08830246, 0.28171884, 0.62997870]]
)
TO_LAB = np.array(
    [[0.21045426, 0.79361779, -0.00407205], [1.97799850, -2.42859221, 0.45059371], [0.02590404, 0.78277177, -0.80867577]]
)


def linear(colour):
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(value):
    return TO_LAB @ np.cbrt(TO_LMS @ np.clip(value, 0, 1))


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("colours", "paper"), [(LIGHT, PAPER_LIGHT), (DARK, PAPER_DARK)])
def test_every_colour_stands_out_from_the_paper(colours, paper):
    for colour in colours:
        low, high = sorted([luminance(colour), luminance(paper)])
        assert (high + 0.05) / (low + 0.05) >= 3.0, colour


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_every_two_colours_stay_apart_for_every_kind_of_sight(colours):
    for sight in SIGHTS:
        seen = [oklab(sight @ linear(colour)) for colour in colours]
        for (i, a), (j, b) in itertools.combinations(enumerate(seen), 2):
            assert np.linalg.norm(a - b) > 0.09, (colours[i], colours[j])


def test_looks_depend_on_names_alone_and_the_first_64_differ():
    names = [f"approach-{i:02d}" for i in range(64)]
    assert looks(reversed(names)) == looks(names)
    assert len(set(looks(names).values())) == 64
