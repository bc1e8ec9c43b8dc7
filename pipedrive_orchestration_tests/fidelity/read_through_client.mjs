// Reads collections through Pipedrive's own npm client and writes the ids of their records, in the order
// they came, as one JSON object to standard output: {"persons": [1, 2, ...], ...}.
//
// Run in a folder in which `npm install pipedrive` was done, with PIPEDRIVE_API_URL and
// PIPEDRIVE_API_TOKEN in the environment.

import { createRequire } from "node:module";
import { join } from "node:path";

const requireFromHere = createRequire(join(process.cwd(), "read.js"));
const { v1, v2 } = { v1: requireFromHere("pipedrive/v1"), v2: requireFromHere("pipedrive/v2") };
const { PIPEDRIVE_API_URL: url, PIPEDRIVE_API_TOKEN: apiKey } = process.env;
const v1Configuration = new v1.Configuration({ apiKey, basePath: `${url}/v1` });
const v2Configuration = new v2.Configuration({ apiKey, basePath: `${url}/api/v2` });

const limit = 250;

async function everyCursorPage(readPage) {
  const ids = [];
  let cursor;
  do {
    const page = await readPage({ limit, cursor });
    ids.push(...page.data.map((record) => record.id));
    cursor = page.additional_data?.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return ids;
}

async function everyOffsetPage(readPage) {
  const ids = [];
  let start = 0;
  while (start !== undefined) {
    const page = await readPage({ limit, start });
    ids.push(...(page.data ?? []).map((record) => record.id));
    const { pagination } = page.additional_data;
    start = pagination.more_items_in_collection ? pagination.next_start : undefined;
  }
  return ids;
}

const persons = new v2.PersonsApi(v2Configuration);
const organizations = new v2.OrganizationsApi(v2Configuration);
const deals = new v2.DealsApi(v2Configuration);
const activities = new v2.ActivitiesApi(v2Configuration);
const products = new v2.ProductsApi(v2Configuration);
const pipelines = new v2.PipelinesApi(v2Configuration);
const stages = new v2.StagesApi(v2Configuration);
const notes = new v1.NotesApi(v1Configuration);
const leads = new v1.LeadsApi(v1Configuration);
const users = new v1.UsersApi(v1Configuration);

const read = {
  persons: await everyCursorPage((page) => persons.getPersons(page)),
  organizations: await everyCursorPage((page) => organizations.getOrganizations(page)),
  deals: await everyCursorPage((page) => deals.getDeals(page)),
  activities: await everyCursorPage((page) => activities.getActivities(page)),
  products: await everyCursorPage((page) => products.getProducts(page)),
  pipelines: await everyCursorPage((page) => pipelines.getPipelines(page)),
  stages: await everyCursorPage((page) => stages.getStages(page)),
  notes: await everyOffsetPage((page) => notes.getNotes(page)),
  leads: await everyOffsetPage((page) => leads.getLeads(page)),
  users: (await users.getUsers()).data.map((record) => record.id),
};

process.stdout.write(JSON.stringify(read));
