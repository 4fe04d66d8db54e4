"""The export as a Luigi target: its manifest, and the files that this names."""

import luigi

from luigi_tasks import paths
from luigi_tasks.export import lake
from luigi_tasks.export.version import LATEST, ExportManifest, read_manifest
from luigi_tasks.targets.built_from import BuiltFrom, describe_changes
from spark_jobs.storage import Location


class ExportFolder(luigi.Target):
    """The folder of the export; its manifest has the fingerprints of what it was built from."""

    def __init__(self, folder: Location) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def exists(self) -> bool:
        return (self.folder / paths.MANIFEST).is_file()

    def find_stale_reason(self, built_from: BuiltFrom) -> str | None:
        """Return why the export is missing, damaged or outdated, or None if it is up to date.

        A folder that cannot be read is a reason, too: the stage then says what is wrong with it.
        """
        try:
            manifest = read_manifest(self.folder)
            if manifest is None:
                return "its manifest is missing or unreadable"
            return self._find_damage(manifest) or describe_changes(manifest.built_from, built_from)
        except OSError as error:
            return f"its folder cannot be read ({error.strerror or error})"

    def _find_damage(self, manifest: ExportManifest) -> str | None:
        for place in (manifest.version, LATEST):
            sizes = lake.list_sizes(self.folder / place)
            for file in (file for files in manifest.marts.values() for file in files):
                if sizes.get(file.path) != file.bytes:
                    return f"its file {place}/{file.path} is missing or has another size"
        return None
