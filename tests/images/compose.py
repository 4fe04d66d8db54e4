"""What docker-compose.yml says, with the variables of an env file put in, as far as the tests need it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
EXAMPLE = REPOSITORY / ".env.example"
VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")


@dataclass(frozen=True)
class Mount:
    """What stands at `target`: a folder of the host (`bind`), a volume with or without a name, or memory (`tmpfs`)."""

    kind: str
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Service:
    """What a container of the service is started with."""

    name: str
    image: str
    dockerfile: Path
    stage: str
    command: list[str]
    environment: dict[str, str]
    mounts: list[Mount]
    health: list[str]
    raw: dict[str, Any]


def variables(text: str) -> dict[str, str]:
    """NAME=value, a line each, quoted or not."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines)}


def services(env: dict[str, str]) -> dict[str, Service]:
    """The services by name."""
    raw = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return {name: _service(name, _filled_in(said, env)) for name, said in raw.items()}


def asked_for() -> dict[str, str]:
    """The variables of docker-compose.yml, with what each falls back to."""
    return {name: f"{kind}{text}" for name, kind, text in VARIABLE.findall(COMPOSE.read_text(encoding="utf-8"))}


def _filled_in(said: Any, env: dict[str, str]) -> Any:
    if isinstance(said, dict):
        return {key: _filled_in(value, env) for key, value in said.items()}
    if isinstance(said, list):
        return [_filled_in(value, env) for value in said]
    return VARIABLE.sub(lambda found: _value(found, env), said) if isinstance(said, str) else said


def _value(found: re.Match[str], env: dict[str, str]) -> str:
    name, kind, text = found.groups()
    if value := env.get(name):
        return value
    assert kind == ":-", f"{name} {text}"
    return text


def _service(name: str, said: dict[str, Any]) -> Service:
    mounts = [_mount(each) for each in said.get("volumes", [])]
    test = said["healthcheck"]["test"]
    assert test[0] == "CMD"
    return Service(
        name,
        said["image"],
        REPOSITORY / said["build"]["dockerfile"],
        said["build"].get("target", ""),
        said.get("command", []),
        said["environment"],
        mounts + [Mount("tmpfs", "", target) for target in said["tmpfs"]],
        test[1:],
        said,
    )


def _mount(said: str | dict[str, Any]) -> Mount:
    if isinstance(said, dict):
        return Mount(said["type"], said.get("source", ""), said["target"], said.get("read_only", False))
    source, target, *mode = said.split(":")
    return Mount("bind" if source.startswith((".", "/")) else "volume", source, target, mode == ["ro"])
