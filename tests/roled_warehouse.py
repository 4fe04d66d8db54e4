"""A database of a real server, as its logins see it, with the roles sm_…."""

from contextlib import closing

import pytest
from external import ExternalServer

from luigi_tasks import warehouse
from luigi_tasks.privacy import grants, map_file, roles
from luigi_tasks.privacy.grants import Differences

MAP = map_file.read_map()


class RoledWarehouse:
    """A database, as a login sees it, with the roles sm_…."""

    def __init__(self, server: ExternalServer, patch: pytest.MonkeyPatch) -> None:
        self.server = server
        self._patch = patch

    def rows(self, sql: str, user: str = "socialmart") -> list[tuple[object, ...]]:
        return self.server.rows(sql, "shared", user)

    def log_in(self, user: str) -> None:
        warehouse.close()
        for name, value in self.server.lead_to("shared", user).items():
            self._patch.setenv(name, value)

    def apply(self, administrator: str = "socialmart", login: str = "pipeline") -> None:
        self.log_in(administrator)
        with closing(warehouse.connect(layer=None)) as connection, connection, connection.cursor() as cursor:
            roles.apply(cursor, MAP, roles.Place("shared", login))

    def compare(self, login: str = "pipeline") -> Differences:
        self.log_in("socialmart")
        with closing(warehouse.connect(layer=None)) as connection, connection, connection.cursor() as cursor:
            return grants.find_differences(cursor, MAP, login)
