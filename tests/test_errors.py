from labeleff import errors
from labeleff.errors import LabeleffError, UnknownNameError


def test_one_family():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 8
    assert all(issubclass(kind, LabeleffError) for kind in kinds)


def test_unknown_names_get_the_nearest_match_and_the_list():
    text = str(UnknownNameError("fruit", "aple", ["pear", "apple"]))
    assert text == "unknown fruit 'aple'; did you mean 'apple'? (known: apple, pear)"
    assert "did you mean" not in str(UnknownNameError("fruit", "zzz", ["pear"]))
