"""The bill: what is installed beside our own package.

Equal environments give equal bills, so it has neither a time nor a serial number.
"""

from importlib import metadata
from typing import Any

from luigi_tasks.cli.sbom.component import OWN_NAME
from luigi_tasks.cli.sbom.distributions import find_distributions, list_distributions
from luigi_tasks.cli.sbom.jars import list_jars
from luigi_tasks.cli.sbom.runtimes import list_runtimes
from luigi_tasks.cli.sbom.system_packages import list_system_packages

FORMAT = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}


def make_bill() -> dict[str, Any]:
    """The bill: our own version, and what is installed besides as components in the order of their bom-refs."""
    own = {"type": "application", "name": OWN_NAME, "version": metadata.version(OWN_NAME)}
    distributions = find_distributions()
    components = [
        *list_distributions(distributions),
        *list_jars(distributions.values()),
        *list_runtimes(),
        *list_system_packages(),
    ]
    return FORMAT | {"metadata": {"component": own}, "components": sorted(components, key=lambda each: each["bom-ref"])}
