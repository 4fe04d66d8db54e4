"""The map of personal data is read strictly: what it does not know, it names."""

import re

import pytest
import yaml

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.privacy import map_file
from luigi_tasks.privacy.privacy_map import Column, Folder, Handling, Kind, PrivacyMap, Purpose

SMALL = """
purposes:
  analysis: {title: Look at it, legal_basis: consent}
kinds:
  key: {holds: A key, categories: [identity], persons: [user_id], mask: pseudonym}
schemas:
  core: {purpose: analysis, readers: [pipeline], keep_days: none, ends: by hand}
  marts: {purpose: analysis, readers: [analyst], keep_days: 30, ends: by hand}
tables:
  users: {schemas: [core, marts], ends: never, columns: {key: [&names [id, sk], other]}}
  others: {schemas: [core], columns: {key: [*names]}}
folders:
  logs.folder: {holds: Logs, categories: [technical], persons: [none], purpose: analysis, readers: [pipeline],
                keep_days: none, ends: by hand}
"""
WRONG = [
    (
        "legal_basis: consent",
        "legal_basis: interest",
        "purposes, analysis: legal_basis has interest, which is not known",
    ),
    ("[identity]", "[name]", "kinds, key: categories has name, which is not known; expected identity, contact"),
    ("persons: [user_id]", "persons: [user_id, none]", "kinds, key: persons has none and others"),
    ("mask: pseudonym", "mask: null", "kinds, key: mask has None, which is not known; expected none, pseudonym"),
    ("{holds: A key, ", "{", "kinds, key: holds is missing"),
    ("holds: A key", "holds: A key, why: so", "kinds, key: why is not known; expected holds, categories"),
    ("holds: A key", "holds: ' '", "kinds, key: holds is  ; expected a text in one line"),
    ("readers: [analyst]", "readers: analyst", "schemas, marts: readers is analyst; expected a list in which nothing"),
    ("[analyst]", "[analyst, analyst]", "expected a list in which nothing stands twice"),
    ("keep_days: 30", "keep_days: 0", "schemas, marts: keep_days is 0; expected a number of days, or none"),
    ("keep_days: 30", "keep_days: true", "schemas, marts: keep_days is True; expected a number of days, or none"),
    (
        "[core, marts]",
        "[core, staging]",
        "tables, users: schemas has staging, which is not known; expected core, marts",
    ),
    ("ends: never", "mask: empty", "tables, users: mask is not known; expected schemas, columns, purpose, keep_days"),
    ("other]}", "sk]}", "tables, users: the column sk is listed twice"),
    ("other]}", "other], name: [id]}", "tables, users: name is not known; expected key"),
    ("{key: [*names]}", "{key: }", "tables, others, key: expected a list of columns"),
    ("{key: [*names]}", "{key: [on]}", "tables, others, key: expected a list of columns"),
    ("{key: [*names]}", "[id]", "tables, others: expected names, each with what it says"),
    ("others:", "users:", "cannot be read (users stands twice"),
    ("schemas:\n", "kind: {}\nschemas:\n", "the map: kind is not known; expected purposes, kinds"),
    (
        "schemas:\n",
        "  spare: {holds: B, categories: [contact], persons: [text], mask: none}\nschemas:\n",
        "no column is of",
    ),
]
"""What is replaced in SMALL, by what, and what is said of it."""


def test_read_map__resolves_every_column_to_one_entry(tmp_path):
    (tmp_path / "map.yml").write_text(SMALL)
    analysis = Purpose("analysis", "Look at it", "consent")
    key = Kind("key", "A key", ("identity",), ("user_id",), "pseudonym")
    by_hand = Handling(analysis, ("pipeline",), None, "by hand")
    in_core, in_marts = Handling(analysis, ("pipeline",), None, "never"), Handling(analysis, ("analyst",), 30, "never")
    logs = Kind("logs.folder", "Logs", ("technical",), ("none",), "none")
    assert map_file.read_files(tmp_path / "map.yml") == PrivacyMap(
        (analysis,),
        (
            *(Column("core", "users", name, key, in_core) for name in ("id", "sk", "other")),
            *(Column("marts", "users", name, key, in_marts) for name in ("id", "sk", "other")),
            *(Column("core", "others", name, key, by_hand) for name in ("id", "sk")),
        ),
        (Folder("logs.folder", logs, by_hand),),
    )


@pytest.mark.parametrize(("before", "after", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_read_map__says_what_is_wrong(tmp_path, before, after, said):
    assert SMALL.count(before) >= 1
    (tmp_path / "map.yml").write_text(SMALL.replace(before, after, 1))
    with pytest.raises(PipelineError) as error:
        map_file.read_files(tmp_path / "map.yml")
    assert str(error.value).startswith(f"{tmp_path / 'map.yml'}: ") and said in str(error.value)


def test_read_map__lists_all_faults_at_once(tmp_path):
    (tmp_path / "map.yml").write_text(
        SMALL.replace("consent", "interest").replace("30", "-1").replace("ends: never", "x: 1")
    )
    with pytest.raises(PipelineError, match=r"interest.*keep_days.*x is not known.*; correct it$"):
        map_file.read_files(tmp_path / "map.yml")


@pytest.mark.parametrize("content", [b"", b"- a", b"\xff", b"a: [", b"{1: 2}"])
def test_read_map__refuses_what_is_no_map(tmp_path, content):
    (tmp_path / "map.yml").write_bytes(content)
    with pytest.raises(PipelineError, match=r"map\.yml: (cannot be read|the map of personal data is not valid)"):
        map_file.read_files(tmp_path / "map.yml")


OWN = """
purposes:
  research: {title: Find out more, legal_basis: consent}
kinds:
  figure: {holds: A number, categories: [behaviour], persons: [user_id], mask: none}
tables:
  users: {schemas: [core], columns: {key: [more]}}
  own_mart: {schemas: [candidates, marts], purpose: research, columns: {key: [id], figure: [posts]}}
"""


def read_with_own(folder, own: str) -> PrivacyMap:
    """SMALL with a schema more, and what a project of one's own adds."""
    candidates = "schemas:\n  candidates: {purpose: analysis, readers: [pipeline], keep_days: none, ends: by hand}\n"
    package = SMALL.replace("schemas:\n", candidates, 1).replace("[core, marts]", "[core, marts, candidates]")
    (folder / "map.yml").write_text(package)
    (folder / "privacy.yml").write_text(own)
    return map_file.read_files(folder / "map.yml", folder / "privacy.yml")


def test_read_files__adds_the_columns_of_a_dbt_project(tmp_path):
    found = read_with_own(tmp_path, OWN)
    package = map_file.read_files(tmp_path / "map.yml")
    assert found.columns[: len(package.columns)] == package.columns and found.folders == package.folders
    added = [(one.schema, one.table, one.name, one.kind.mask) for one in found.columns[len(package.columns) :]]
    assert added == [
        ("core", "users", "more", "pseudonym"),
        ("candidates", "own_mart", "id", "pseudonym"),
        ("candidates", "own_mart", "posts", "none"),
        ("marts", "own_mart", "id", "pseudonym"),
        ("marts", "own_mart", "posts", "none"),
    ]
    assert [purpose.name for purpose in found.purposes] == ["analysis", "research"]
    assert [found.columns[-1].handling.purpose.name, found.columns[-1].handling.readers] == ["research", ("analyst",)]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[more]", "[sk]", "tables, users: privacy.yml of the package has the column core.users.sk; take it out here"),
        ("research", "analysis", "purposes, analysis: privacy.yml of the package has it; use it, or another name"),
        ("  figure:", "  key:", "kinds, key: privacy.yml of the package has it; use it, or another name"),
        ("[core]", "[raw_data]", "tables, users: schemas has raw_data, which is not known; expected staging, core"),
        ("figure: [posts]", "number: [posts]", "tables, own_mart: number is not known; expected key, figure"),
        ("figure: [posts]", "key: [posts]", "cannot be read (key stands twice"),
        (", figure: [posts]", "", "kinds, figure: no column is of this kind"),
        ("kinds:", "folders:", "the map: folders is not known; expected tables, purposes, kinds"),
        ("tables:", "kind:", "the map: tables is missing"),
    ],
)
def test_read_files__a_dbt_project_only_adds(tmp_path, before, after, said):
    own = OWN.replace(before, after)
    if before == "  figure:":
        own = own.replace("figure: [posts]", "key: [id, posts]").replace("{key: [id], ", "{")
    with pytest.raises(PipelineError) as error:
        read_with_own(tmp_path, own)
    assert str(error.value).startswith(f"{tmp_path / 'privacy.yml'}: ") and said in str(error.value)


def test_map__is_read_by_other_tools_as_it_is_here():
    assert set(yaml.safe_load(map_file.MAP.read_text(encoding="utf-8"))) == set(map_file.SECTIONS)


def test_own_map__of_the_docs_is_valid(tmp_path):
    page = (paths.PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "privacy.yml").write_text(example)
    added = set(map_file.read_files(map_file.MAP, tmp_path / "privacy.yml").columns) - set(
        map_file.read_files(map_file.MAP).columns
    )
    assert {column.table for column in added} == {"author_mart"}
