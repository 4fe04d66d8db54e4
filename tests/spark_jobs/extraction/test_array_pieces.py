"""Arrays parsed at once hold what the careful reader finds in them."""

import pytest

from spark_jobs.extraction.array_pieces import parse_array_piece
from spark_jobs.extraction.errors import BrokenFile
from spark_jobs.extraction.json_texts import read_texts


@pytest.mark.parametrize("text", ["[]", " [ ] ", "[{}]", '[1,"a"]', '\ufeff[{"é":1} ,\n {} ]\n', '{"a":1}', "{}\n{}"])
def test_parse_array_piece__are_those_of_the_careful_reader(tmp_path, text):
    (tmp_path / "a").write_text(text, encoding="utf-8")
    with (tmp_path / "a").open("rb") as file:
        expected = [(each.offset, each.content.decode()) for each in read_texts(file)]
    found = parse_array_piece(tmp_path / "a")
    if "[" in text:
        assert [(offset, content) for offset, content, _ in found] == expected
    else:
        assert found is None


@pytest.mark.parametrize(
    "text", ["[", "[{}", "[{},", "[{},]", "[,{}]", "[{}{}]", "[{}]]", "[{}] {}", "[{]}", "[NaN]", '["a]', "[\x00]"]
)
def test_parse_array_piece__of_anything_but_an_array_are_an_error(tmp_path, text):
    (tmp_path / "a").write_text(text)
    with pytest.raises(BrokenFile):
        list(parse_array_piece(tmp_path / "a"))
