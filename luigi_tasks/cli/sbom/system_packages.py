"""The packages of Debian and its like."""

import platform
import shutil
import subprocess
from collections.abc import Iterator

from luigi_tasks.cli.sbom.component import Component, make_component, make_purl

DPKG_FIELDS = r"${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n"


def list_system_packages() -> Iterator[Component]:
    """Yield the packages that dpkg has installed; none where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return
    system = platform.freedesktop_os_release().get("ID", "debian")
    asked = ["dpkg-query", "--show", f"--showformat={DPKG_FIELDS}"]
    for line in subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines():
        status, name, version, architecture = line.split("\t")
        if status == "installed":
            yield make_component(name, version, make_purl(f"deb/{system}", name, version, arch=architecture))
