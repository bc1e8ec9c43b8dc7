"""The lists inside a source's records, as the views that show an element in each row."""

from __future__ import annotations

from pipedrive_orchestration.importing.casts import CONTACT_PARTS, sql_type_of
from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.pipedrive.builtin_fields import LIST_PARTS
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.warehouse.lists import LinkView, ListView

NAMES = "names"
"""The field type of lists of names, which stand beside their references already."""


def list_views(definition: Definition) -> list[ListView | LinkView]:
    """The views of the lists in what a source imports.

    Emails and phones, labels and options, lists of ids, and those lists of objects whose parts are known. The
    links of notes are one list, though Pipedrive has a property for each type of what they can be linked to.
    """
    views: list[ListView | LinkView] = []
    for column in definition.shown:
        parts = LIST_PARTS.get(column.key, ()) if column.sql_type == "JSON" else ()
        if column.field_type == "contacts":
            views.append(ListView(column, tuple(CONTACT_PARTS.items())))
        elif parts:
            typed = [(part.key, sql_type_of(Field(part.key, part.label, part.field_type))) for part in parts]
            views.append(ListView(column, tuple(typed)))
        elif column.sql_type.endswith("[]") and column.field_type != NAMES:
            views.append(ListView(column))
    if definition.source.object_type == "notes":
        linked = {"deal_id", "person_id", "org_id", "lead_id", "project_id", "task_id"}
        links = tuple(column for column in definition.shown if column.key in linked)
        views += [LinkView("links", links)] if links else []
    return views
