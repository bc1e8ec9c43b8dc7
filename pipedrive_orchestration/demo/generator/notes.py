"""Notes in v1 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo.generator.account import Company
from pipedrive_orchestration.demo.generator.moments import Chronicle, millisecond_time, v1_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import Record, pick, sample_positions, stream

_DELETED_SHARE = 0.015
_EMPTY: Record = dict.fromkeys(("deal_id", "person_id", "org_id", "lead_id", "project_id", "task_id"))
_PINNED: Record = {
    f"pinned_to_{target}_flag": False
    for target in ("deal", "person", "organization", "lead", "project", "task")
}


class Desk:
    """What a note can be pinned to, with the titles that notes repeat."""

    def __init__(
        self,
        deals: dict[int, Record],
        leads: dict[str, Record],
        persons: dict[int, Record],
        organizations: dict[int, Record],
    ) -> None:
        self._deals, self._leads = deals, leads
        self._persons, self._organizations = persons, organizations
        self._known_deals, self._known_leads = Chronicle(deals), Chronicle(leads)
        self._known_persons = Chronicle(persons)

    def link(self, rng: Random, added: int) -> Record:
        """Ids of a deal with its customer, of a lead, or of a person."""
        chance = rng.random()
        deal_id = self._known_deals.one_before(rng, v2_time(added)) if chance < 0.6 else None
        if deal_id is not None:
            deal = self._deals[deal_id]
            return {"deal_id": deal_id, "person_id": deal["person_id"], "org_id": deal["org_id"]}
        lead_id = self._known_leads.one_before(rng, millisecond_time(added)) if chance < 0.75 else None
        if lead_id is not None:
            return {"lead_id": lead_id}
        return {"person_id": self._known_persons.one_before(rng, v2_time(added))}

    def titles(self, link: Record) -> Record:
        """The small objects that repeat the name of whatever a note is linked to, null for the rest."""
        deal, lead = self._deals.get(link["deal_id"]), self._leads.get(link["lead_id"])
        person, organization = self._persons.get(link["person_id"]), self._organizations.get(link["org_id"])
        return {
            "organization": organization and {"name": organization["name"]},
            "person": person and {"name": person["name"]},
            "deal": deal and {"title": deal["title"]},
            "lead": lead and {"title": lead["title"]},
            "project": None,
            "task": None,
        }


def make_notes(company: Company, ids: list[int], desk: Desk) -> dict[int, Record]:
    """Notes by id in the order they were added; a deleted one has ``active_flag`` False."""
    rng, calendar = stream(company.seed, "notes"), company.calendar
    deleted = sample_positions(rng, len(ids), _DELETED_SHARE)
    notes: dict[int, Record] = {}
    add_times, _ = calendar.add_times(rng, len(ids))
    for position, (identifier, added) in enumerate(zip(ids, add_times, strict=True)):
        is_deleted, author = position in deleted, pick(rng, company.owners)
        updated = calendar.deletion(rng, added) if is_deleted else calendar.later(rng, added)
        link = _EMPTY | desk.link(rng, added)
        notes[identifier] = {
            "id": identifier,
            "user_id": author,
            **link,
            "content": f"<p>{pick(rng, company.world.sentences)}</p>",
            "add_time": v1_time(added),
            "update_time": v1_time(updated),
            "active_flag": not is_deleted,
            **_PINNED,
            "pinned_to_deal_flag": link["deal_id"] is not None and rng.random() < 0.2,
            "last_update_user_id": author if updated > added else None,
            **desk.titles(link),
            "user": _author(company.users[author]),
        }
    return notes


def _author(user: Record) -> Record:
    return {key: user[key] for key in ("email", "name", "icon_url", "is_you")}
