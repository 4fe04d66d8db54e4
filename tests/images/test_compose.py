"""What docker-compose.yml, the Dockerfiles and .env.example say, looked at without building or starting anything."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from compose import COMPOSE, EXAMPLE, REPOSITORY, Service, asked_for, services, variables
from project import PROGRAMS

from luigi_tasks import config

DOCKERFILES = sorted((REPOSITORY / "containers").glob("*/Dockerfile"))
REFUSAL = "empty, or as in .env.example; set one of your own there (openssl rand -hex 24 makes one)"
SECRETS = {"POSTGRES_PASSWORD", "READER_PASSWORD", "PROXY_PASSWORD", "NOTEBOOK_TOKEN", "DASHBOARD_TOKEN"}
OPTIONAL = "VIEWER_PASSWORD"
"""A secret without which there is no login for viewers."""
OWN = {name: f"secret-{name}" for name in {*SECRETS, OPTIONAL}}


@pytest.fixture(scope="module")
def stack() -> dict[str, Service]:
    return services(variables(EXAMPLE.read_text()) | OWN)


def run(*command: str | Path, cwd: Path = REPOSITORY, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={"PATH": "/usr/bin:/bin"} | environment, capture_output=True, text=True, check=False
    )


def test_compose_file__is_of_its_schema():
    ended = run(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfile__is_clean(dockerfile):
    ended = run(PROGRAMS / "hadolint", dockerfile)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfile__is_made_of_debian_and_pinned_packages_and_runs_without_root(dockerfile):
    text = dockerfile.read_text()
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    named = {name for _, name in stages}
    assert all(re.fullmatch(r"docker\.io/library/debian:\w+-slim", base) or base in named for base, _ in stages)
    installs = [line for line in text.replace("\\\n", "").splitlines() if "pip install" in line]
    parts = [part for line in installs for part in line.split("&&") if "pip install" in part]
    assert all("--no-deps" in part and ("--require-hashes" in part or "--editable ." in part) for part in parts)
    users = re.findall(r"^USER (.*)$", text, re.MULTILINE)
    assert users == ["10001"]


def test_notebook__has_its_packages_pinned():
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    wanted = re.findall(r"^[\w-]+", setup["options.extras_require"]["notebook"], re.MULTILINE)
    locked = (REPOSITORY / "requirements" / "notebook.txt").read_text()
    assert set(wanted) <= set(re.findall(r"^[\w-]+", locked, re.MULTILINE))


def test_env_example__has_each_variable_with_what_holds_without_it():
    """A secret has nothing that holds without it."""
    example = variables(EXAMPLE.read_text())
    example.pop("COMPOSE_PROFILES")  # which Compose reads by itself
    said = {name: text for name, text in asked_for().items() if name not in SECRETS}
    assert {name: f":-{value}" for name, value in example.items() if name not in SECRETS} == said
    assert {name: example[name] for name in SECRETS} == dict.fromkeys(SECRETS, "change-me")
    assert {asked_for()[name] for name in SECRETS} == {":?is empty in .env"}


def test_secrets__reach_those_who_need_them_only(stack):
    owner, reader = {"POSTGRES_PASSWORD"}, {"READER_PASSWORD"}
    proxy, token, dashboard = {"PROXY_PASSWORD", OPTIONAL}, {"NOTEBOOK_TOKEN"}, {"DASHBOARD_TOKEN"}
    reach = {
        name: {secret for secret, value in OWN.items() if value in str(service.raw)} for name, service in stack.items()
    }
    assert reach == {
        "postgres": owner | reader,
        "luigid": owner | dashboard,
        "pipeline": owner | dashboard,
        "spark-master": set(),
        "spark-worker": set(),
        "spark-history": set(),
        "notebook": reader | token,
        "proxy": proxy | token | dashboard,
    }


def test_services__can_do_no_more_than_they_must(stack):
    for name, service in stack.items():
        said = service.raw
        assert said["read_only"] and said["init"] and said["restart"] == "unless-stopped", name
        assert (said["cap_drop"], said["security_opt"]) == (["ALL"], ["no-new-privileges:true"]), name
        assert set(said["logging"]["options"]) == {"max-size", "max-file"}, name
        assert "cap_add" not in said and "privileged" not in said, name


def test_networks__are_private_and_the_notebook_reaches_the_warehouse_alone(stack):
    assert {
        name: service.raw["networks"] for name, service in stack.items() if service.raw["networks"] != ["private"]
    } == {
        "proxy": ["private", "analysis", "outside"],
        "pipeline": ["private", "outside"],
        "postgres": ["private", "analysis"],
        "notebook": ["analysis"],
    }
    assert {name: service.raw["ports"] for name, service in stack.items() if "ports" in service.raw} == {
        "proxy": ["127.0.0.1:8000:8000"]
    }


def test_services__wait_for_healthy_ones(stack):
    conditions = {
        each["condition"] for service in stack.values() for each in service.raw.get("depends_on", {}).values()
    }
    assert conditions == {"service_healthy"}


def test_settings__of_containers_differ_from_the_defaults():
    """And are known."""
    default, ours = configparser.ConfigParser(interpolation=None), configparser.ConfigParser(interpolation=None)
    default.read(REPOSITORY / "luigi.cfg")
    ours.read(REPOSITORY / "containers" / "settings" / "luigi.cfg")
    known = {section.get_task_family(): dict(section.get_params()) for section in config.SECTIONS}
    for section in ours.sections():
        for key, value in ours[section].items():
            assert value != default.get(section, key, fallback=None), key
            assert section not in known or key in known[section], key


@pytest.mark.parametrize("value", ["", "change-me"])
def test_start__refuses_an_empty_password_and_that_of_the_example(value):
    refuse = REPOSITORY / "containers" / "require-passwords"
    own = {"PROXY_PASSWORD": "own", "POSTGRES_PASSWORD": "own"}
    assert run(refuse, *own, **own).returncode == 0
    ended = run(refuse, *own, **own | {"POSTGRES_PASSWORD": value})
    assert (ended.returncode, ended.stderr) == (1, f".env: POSTGRES_PASSWORD: {REFUSAL}\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `make up` reads."""
    for name in ("Makefile", ".env.example"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "containers").symlink_to(REPOSITORY / "containers")
    return tmp_path


def test_make_up__refuses_before_anything_starts(folder):
    ended = run("make", "-s", "up", "COMPOSE=echo started", cwd=folder)
    assert ended.returncode != 0 and ended.stdout == ""
    assert ended.stderr.splitlines()[0] == (
        ".env: there is none; copy .env.example to it and set passwords of your own"
    )
    shutil.copy(folder / ".env.example", folder / ".env")
    ended = run("make", "-s", "up", "COMPOSE=echo started", cwd=folder)
    assert ended.returncode != 0 and ended.stdout == ""
    named = "PROXY_PASSWORD, DASHBOARD_TOKEN, POSTGRES_PASSWORD, READER_PASSWORD, NOTEBOOK_TOKEN"
    assert ended.stderr.splitlines()[0] == f".env: {named}: {REFUSAL}"


def test_make_up__hands_over_how_many_workers_there_are(folder):
    (folder / ".env").write_text(EXAMPLE.read_text().replace("change-me", "own"))
    ended = run("make", "-s", "up", "WORKERS=3", "COMPOSE=printenv WORKERS; echo", cwd=folder)
    assert (ended.returncode, ended.stdout) == (0, "3\nup --build --detach\n"), ended.stderr
