"""Numbers as people read them can be read back: what a table shows may be pasted where a number is wanted."""

import pytest

from steering.cli.options import Numbers
from steering.formatting import number, signed, strength

LAMBDAS = (-0.6, -0.25, 0.0, 0.1, 1.0)


@pytest.mark.parametrize("lam", LAMBDAS)
def test_what_was_written_is_read_back(lam: float) -> None:
    assert number(strength(lam)) == lam
    assert number(signed(lam)) == lam
    assert number(str(lam)) == lam


def test_a_minus_is_as_wide_as_a_plus_and_zero_has_no_sign() -> None:
    assert [strength(lam) for lam in LAMBDAS] == ["−0.6", "−0.25", "0", "+0.1", "+1"]
    assert signed(-0.126, 2) == "−0.13"


@pytest.mark.parametrize("words", ["", "much", "0.1.2", "−"])
def test_what_is_no_number_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        number(words)


def test_strengths_of_a_table_can_be_pasted() -> None:
    shown = [strength(lam) for lam in LAMBDAS]
    assert Numbers().convert(",".join(shown), None, None) == LAMBDAS
