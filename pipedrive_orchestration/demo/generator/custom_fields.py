"""The account's custom fields: what they are called, and what they may hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field as its owner would describe it.

    ``filled`` is the share of records that have a value; ``deleted_options`` existed once and some
    records still hold their ids; a ``deleted`` field is gone from the records.
    """

    label: str
    field_type: str
    filled: float = 0.4
    options: tuple[str, ...] = ()
    deleted_options: tuple[str, ...] = ()
    deleted: bool = False


DEALS = (
    CustomField("Purchase order", "varchar", 0.5),
    CustomField("Purchase Order", "varchar", 0.1),
    CustomField("Competitor", "varchar_auto", 0.25),
    CustomField("Scope of work", "text", 0.3),
    CustomField("Roof area (m²)", "double", 0.6),
    CustomField("Hardware cost", "monetary", 0.5),
    CustomField(
        "Contract type", "enum", 0.7, ('Purchase, "turnkey"', "Lease, 10 years", "Rent"), ("Barter",)
    ),
    CustomField(
        "Equipment", "set", 0.5, ("Panels", "Inverter", "Battery, 10 kWh", "Battery, 50 kWh"), ("Heat pump",)
    ),
    CustomField("Project engineer", "user", 0.4),
    CustomField("Installer", "org", 0.3),
    CustomField("Decision maker", "people", 0.5),
    CustomField("Site phone", "phone", 0.3),
    CustomField("Permit date", "date", 0.3),
    CustomField("Installation window", "daterange", 0.3),
    CustomField("Preferred call time", "time", 0.2),
    CustomField("Site access hours", "timerange", 0.2),
    CustomField("Site address", "address", 0.4),
    CustomField("Region", "enum", 0.6, ("North", "South", "East", "West")),
    CustomField("Region", "varchar", 0.1),
    CustomField("Status", "varchar", 0.2),
    CustomField("Grid operator reference", "varchar", 0.0),
    CustomField("Fax", "phone", deleted=True),
)

PERSONS = (
    CustomField("Nickname", "varchar", 0.2),
    CustomField("nickname", "varchar", 0.05),
    CustomField("Preferred language", "varchar_auto", 0.5),
    CustomField("Background", "text", 0.2),
    CustomField("Distance (km)", "double", 0.7),
    CustomField("Spending limit", "monetary", 0.3),
    CustomField("Seniority", "enum", 0.6, ("Owner", "Manager, senior", 'The "right hand"'), ("Intern",)),
    CustomField("Interests", "set", 0.4, ("Solar", "Storage", "Charging, AC", "Charging, DC"), ("Wind",)),
    CustomField("Account manager", "user", 0.5),
    CustomField("Former employer", "org", 0.2),
    CustomField("Assistant", "people", 0.2),
    CustomField("Private phone", "phone", 0.2),
    CustomField("Last trade fair", "date", 0.3),
    CustomField("Parental leave", "daterange", 0.05),
    CustomField("Best time to call", "time", 0.3),
    CustomField("Office hours", "timerange", 0.3),
    CustomField("Home address", "address", 0.2),
    CustomField("Region", "varchar", 0.3),
    CustomField("Region", "enum", 0.3, ("EMEA", "Americas", "APAC")),
    CustomField("Name", "varchar", 0.05),
    CustomField("Twitter", "varchar", deleted=True),
)

ORGANIZATIONS = (
    CustomField("Customer number", "varchar", 0.6),
    CustomField("customer number", "varchar", 0.05),
    CustomField("Energy supplier", "varchar_auto", 0.5),
    CustomField("Site notes", "text", 0.3),
    CustomField("Yearly consumption (MWh)", "double", 0.6),
    CustomField("Credit limit", "monetary", 0.5),
    CustomField("Tier", "enum", 0.7, ("A", "B", "C, dormant"), ("D",)),
    CustomField("Certificates", "set", 0.4, ("ISO 9001", "ISO 14001", "EMAS, registered"), ("OHSAS 18001",)),
    CustomField("Key account manager", "user", 0.4),
    CustomField("Parent company", "org", 0.2),
    CustomField("Site manager", "people", 0.4),
    CustomField("Emergency phone", "phone", 0.3),
    CustomField("Customer since", "date", 0.5),
    CustomField("Framework contract", "daterange", 0.2),
    CustomField("Delivery cut-off", "time", 0.2),
    CustomField("Opening hours", "timerange", 0.4),
    CustomField("Billing address", "address", 0.5),
    CustomField("Region", "enum", 0.4, ("EMEA", "Americas", "APAC")),
    CustomField("Region", "varchar", 0.1),
    CustomField("Owner", "varchar", 0.1),
    CustomField("Telex", "varchar", deleted=True),
)

PRODUCTS = (
    CustomField("Weight (kg)", "double", 0.8),
    CustomField("Certification", "set", 0.7, ("CE", "UL", "IEC 61215"), ("JET",)),
    CustomField("Recommended retail price", "monetary", 0.6),
    CustomField("Data sheet", "text", 0.3),
    CustomField("Category", "enum", 0.7, ("Module", "Inverter", "Storage", "Service")),
)

PROJECTS = (
    CustomField("Roof type", "enum", 0.8, ("Flat", "Pitched", "Facade")),
    CustomField("Crew", "varchar", 0.6),
    CustomField("Acceptance date", "date", 0.4),
    CustomField("Material cost", "monetary", 0.5),
)

CUSTOM_FIELDS = {
    "deals": DEALS,
    "persons": PERSONS,
    "organizations": ORGANIZATIONS,
    "products": PRODUCTS,
    "projects": PROJECTS,
}
"""The custom fields of each object type that has any. Leads inherit those of deals."""
