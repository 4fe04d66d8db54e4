"""Every end-to-end test may have a project of its own."""

import pytest
from project import MakeProject, Project


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """A project of the test's own."""
    return make_project()
