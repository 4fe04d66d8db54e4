"""The map of personal data: its words, and what privacy.yml says of every column of the warehouse and every folder."""

from dataclasses import dataclass

NONE = "none"
"""Stands where nothing applies: no person, no mask, no limit of days."""

CATEGORIES = ("identity", "contact", "content", "behaviour", "technical")
PERSONS = ("user_id", "commenter", "text", "operator", NONE)
"""How data leads to a person: a user of the platform, who wrote a comment, whom a text names, who runs the pipeline."""
MASKS = (NONE, "pseudonym", "empty", "masked_text", "generalised")
PIPELINE = "pipeline"
ANALYST = "analyst"
"""Reads with masks; all other readers read what is there."""
READERS = (PIPELINE, ANALYST, "personal", "guest", "officer", "auditor")
LEGAL_BASES = (
    *("consent", "contract", "legal_obligation"),
    *("vital_interests", "public_task", "legitimate_interests"),
)
"""Those of the GDPR, Article 6(1), in its order."""


@dataclass(frozen=True)
class Purpose:
    """What data is processed for, and by which right."""

    name: str
    title: str
    legal_basis: str


@dataclass(frozen=True)
class Kind:
    """What data holds: its categories, how it leads to a person, and what hides it from readers who may not see it."""

    name: str
    holds: str
    categories: tuple[str, ...]
    persons: tuple[str, ...]
    mask: str


@dataclass(frozen=True)
class Handling:
    """What data is kept for, who may read it, for how many days (None: no limit), and what ends it until then."""

    purpose: Purpose
    readers: tuple[str, ...]
    keep_days: int | None
    ends: str


@dataclass(frozen=True)
class Column:
    """A column of the warehouse."""

    schema: str
    table: str
    name: str
    kind: Kind
    handling: Handling


@dataclass(frozen=True)
class Folder:
    """A folder: `SECTION.KEY` of the setting that names it, or `SECTION.KEY/FOLDER` for one in it."""

    name: str
    kind: Kind
    handling: Handling


@dataclass(frozen=True)
class PrivacyMap:
    """Everything that privacy.yml says, in its order."""

    purposes: tuple[Purpose, ...]
    columns: tuple[Column, ...]
    folders: tuple[Folder, ...]
