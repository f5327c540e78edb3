"""Texts that are cut to a width in cells."""

from hypothesis import given
from hypothesis import strategies as st

from sandtui.ui.rendering.text import fit_middle, width_of


def test_a_text_cut_in_the_middle_keeps_both_ends():
    assert fit_middle("eval-anonymous-1095", 12) == "eval-an…1095"
    assert fit_middle("short", 12) == "short       "
    assert fit_middle("eval-anonymous-1095", 5) == "eval…", "too few cells for two ends"


def test_a_mark_is_not_parted_from_its_letter():
    assert "…\u0301" not in fit_middle("abcdefghijkl" + "e\u0301" * 8, 12)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Mn", "Me", "Cf"]), max_size=40), st.integers(0, 40))
def test_it_has_exactly_the_width(text, width):
    cut = fit_middle(text, width)
    assert width_of(cut) == width
    if width_of(text) > width >= 12:
        head, tail = cut.split("…", 1) if "…" not in text else (cut[:1], cut[-1:])
        assert text.startswith(head.rstrip()) or head.isspace()
        assert text.endswith(tail)
