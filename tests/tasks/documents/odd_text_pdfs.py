"""One-page PDFs on which `SECRET` is printed in an odd way that a reader can see: the other half of `hidden_text_pdfs`."""

from __future__ import annotations

import pikepdf
from hidden_text_pdfs import LEFT, SECRET, Builder, annotation, form, layer, lines, secret, state
from pikepdf import Dictionary, Name


def _on_a_band(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + "q 0.1 0.2 0.6 rg 60 480 400 60 re f Q\n" + secret("1 g")


def _pale_grey(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("0.8 g")


def _yellow(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("1 0.9 0 rg")


def _red_on_green(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    # Nearly the same luminance: no contrast, but another colour.
    return lines() + "q 0 0.5 0 rg 60 480 400 60 re f Q\n" + secret("0.9 0.1 0 rg")


def _half_transparent(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("0 g " + state(page, ca=0.5, CA=0.5))


def _under_glass(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("0 g") + "q " + state(page, ca=0.4) + " 1 1 0 rg 60 480 400 60 re f Q\n"


def _highlighted(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    page.Resources.ExtGState.G2 = Dictionary(BM=Name.Multiply)
    return lines() + secret("0 g") + "q /G2 gs 1 1 0 rg 60 480 400 60 re f Q\n"


def _framed_late(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return (
        lines()
        + secret("0 g")
        + "q 0 0 612 792 re 10 10 592 772 re W* n 0.8 g 0 0 612 792 re f Q q 0 G 1 w 50 50 500 700 re S Q\n"
    )


def _underlined(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("0 g") + "q 0 G 0.6 w 72 498.5 m 330 498.5 l S 72 503 m 330 503 l S Q\n"


def _over_picture(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    stream = pdf.make_stream(bytes(60 + (37 * k) % 90 for k in range(64 * 64 * 3)))
    stream.update(
        {
            "/Type": Name.XObject,
            "/Subtype": Name.Image,
            "/Width": 64,
            "/Height": 64,
            "/ColorSpace": Name.DeviceRGB,
            "/BitsPerComponent": 8,
        }
    )
    page.Resources.XObject.Im1 = stream
    return lines() + "q 400 0 0 60 60 480 cm /Im1 Do Q\n" + secret("1 g")


def _small_print(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("0.2 g", size=4)


def _outlined(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("0 G 0.4 w 1 Tr")


def _printed_twice(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("0 g") + secret("0 g", at=(LEFT + 0.3, 500))


def _layer_on(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    page.Resources.Properties.L1 = layer(pdf, on=True)
    return lines() + "/OC /L1 BDC\n" + secret("0 g") + "EMC\n"


def _clip_lets_through(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + secret("60 480 400 60 re W n 0 g")


def _in_annotation(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    annotation(pdf, page, "1 1 0.6 rg 0 0 400 60 re f " + secret("0 g", at=(5, 20)), (60, 480, 460, 540))
    return lines()


def _turned(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + f"q 0 g BT /F1 11 Tf 0.866 0.5 -0.5 0.866 100 300 Tm ({SECRET}) Tj ET Q\n"


def _upwards(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines() + f"q 0 g BT /F1 11 Tf 0 1 -1 0 300 300 Tm ({SECRET}) Tj ET Q\n"


def _also_as_shape(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    # The same letters once more, over the text and as dark as it is: taking the text away changes nothing.
    page.Resources.XObject.Fm1 = form(pdf, secret("0 g", at=(0, 0)), page)
    return lines() + secret("0 g") + f"q 1 0 0 1 {LEFT} 500 cm /Fm1 Do Q\n"


def _tight_leading(pdf: pikepdf.Pdf, page: Dictionary) -> str:
    return lines(leading=10) + secret("0 g")


SEEN: dict[str, Builder] = {
    "white on a dark band": _on_a_band,
    "pale grey": _pale_grey,
    "yellow": _yellow,
    "red on green": _red_on_green,
    "half transparent": _half_transparent,
    "under a tinted glass": _under_glass,
    "highlighted": _highlighted,
    "framed after it was printed": _framed_late,
    "underlined and struck through": _underlined,
    "over a picture": _over_picture,
    "four points": _small_print,
    "outlined": _outlined,
    "printed twice": _printed_twice,
    "layer switched on": _layer_on,
    "inside its clipping path": _clip_lets_through,
    "in an annotation": _in_annotation,
    "slanted": _turned,
    "upwards": _upwards,
    "once more in a form": _also_as_shape,
    "tight lines": _tight_leading,
}
"""Pages on which `SECRET` is printed oddly, and can be seen once."""
