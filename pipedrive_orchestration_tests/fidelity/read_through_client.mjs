// Reads collections through Pipedrive's own npm client and writes the ids of their records, in the order
// they came, as one JSON object to standard output: {"persons": [1, 2, ...], ...}. Of what lies below a
// record, that of the first parents is read, a page each, and written as "parent:id".
//
// Run in a folder in which `npm install pipedrive` was done, with PIPEDRIVE_API_URL and
// PIPEDRIVE_API_TOKEN in the environment.

import { v1, v1Configuration, v2, v2Configuration } from "./client.mjs";

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

async function everyOffsetPage(readPage, most = limit) {
  const ids = [];
  let start = 0;
  while (start !== undefined) {
    const page = await readPage({ limit: most, start });
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

const files = new v1.FilesApi(v1Configuration);
const roles = new v1.RolesApi(v1Configuration);
const mailbox = new v1.MailboxApi(v1Configuration);
const callLogs = new v1.CallLogsApi(v1Configuration);
const goals = new v1.GoalsApi(v1Configuration);
const permissionSets = new v1.PermissionSetsApi(v1Configuration);
const legacyTeams = new v1.LegacyTeamsApi(v1Configuration);
const webhooks = new v1.WebhooksApi(v1Configuration);
const currencies = new v1.CurrenciesApi(v1Configuration);
const filters = new v1.FiltersApi(v1Configuration);
const activityTypes = new v1.ActivityTypesApi(v1Configuration);
const leadLabels = new v1.LeadLabelsApi(v1Configuration);
const relationships = new v1.OrganizationRelationshipsApi(v1Configuration);
const projects = new v2.ProjectsApi(v2Configuration);
const tasks = new v2.TasksApi(v2Configuration);
const boards = new v2.ProjectBoardsApi(v2Configuration);
const templates = new v2.ProjectTemplatesApi(v2Configuration);
const dealProducts = new v2.DealProductsApi(v2Configuration);
const installments = new v2.DealInstallmentsApi(v2Configuration);
const ofV2Users = new v2.UsersApi(v2Configuration);
const [v1Deals, v1Persons, v1Organizations, v1Products, v1Projects] = [
  v1.DealsApi, v1.PersonsApi, v1.OrganizationsApi, v1.ProductsApi, v1.ProjectsApi,
].map((api) => new api(v1Configuration));

const everything = async (answer) => (await answer).data.map((record) => record.id);

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
  users: await everything(users.getUsers()),
  files: await everyOffsetPage((page) => files.getFiles(page), 100),
  roles: await everyOffsetPage((page) => roles.getRoles(page)),
  call_logs: await everyOffsetPage((page) => callLogs.getUserCallLogs(page), 50),
  mail_threads: await everyOffsetPage((page) => mailbox.getMailThreads({ folder: "inbox", ...page })),
  goals: (await goals.getGoals({ expected_outcome_tracking_metric: "quantity" })).data.goals.map(({ id }) => id),
  permission_sets: await everything(permissionSets.getPermissionSets({})),
  legacy_teams: await everything(legacyTeams.getTeams({})),
  webhooks: await everything(webhooks.getWebhooks()),
  currencies: await everything(currencies.getCurrencies({})),
  filters: await everything(filters.getFilters({})),
  activity_types: await everything(activityTypes.getActivityTypes()),
  lead_labels: await everything(leadLabels.getLeadLabels()),
  projects: await everyCursorPage((page) => projects.getProjects(page)),
  tasks: await everyCursorPage((page) => tasks.getTasks(page)),
  boards: await everything(boards.getProjectsBoards()),
  project_templates: await everyCursorPage((page) => templates.getProjectTemplates(page)),
};

const PARENTS = 40;

// What tells a record from its siblings: its id, or what stands for one.
const named = (record) =>
  typeof record === "object" ? record.id ?? record.uuid ?? record.user_id ?? record.item_id ?? record.time ?? record.data?.id : record;

async function below(parents, readList) {
  const ids = [];
  for (const id of parents.slice(0, PARENTS)) {
    const { data } = await readList({ id }).catch((error) => {
      // The client throws away the status.
      if (!/not found/i.test(error.error ?? "")) throw error;
      return { data: [] };
    });
    ids.push(...(data ?? []).map((record) => `${id}:${named(record)}`));
  }
  return ids;
}

const children = {
  deal_products: [read.deals, ({ id }) => dealProducts.getDealsProducts({ deal_ids: [id] })],
  deal_installments: [read.deals, ({ id }) => installments.getInstallments({ deal_ids: [id] })],
  deal_discounts: [read.deals, (deal) => deals.getAdditionalDiscounts(deal)],
  deal_changes: [read.deals, (deal) => v1Deals.getDealChangelog(deal)],
  person_changes: [read.persons, (person) => v1Persons.getPersonChangelog(person)],
  organization_changes: [read.organizations, (one) => v1Organizations.getOrganizationChangelog(one)],
  deal_flow: [read.deals, (deal) => v1Deals.getDealUpdates({ all_changes: "1", ...deal })],
  person_flow: [read.persons, (person) => v1Persons.getPersonUpdates({ all_changes: "1", ...person })],
  organization_flow: [
    read.organizations,
    (one) => v1Organizations.getOrganizationUpdates({ all_changes: "1", ...one }),
  ],
  deal_participants: [read.deals, (deal) => v1Deals.getDealParticipants(deal)],
  deal_participant_changes: [read.deals, (deal) => v1Deals.getDealParticipantsChangelog(deal)],
  deal_followers: [read.deals, (deal) => deals.getDealFollowers(deal)],
  person_followers: [read.persons, (person) => persons.getPersonFollowers(person)],
  organization_followers: [read.organizations, (one) => organizations.getOrganizationFollowers(one)],
  product_followers: [read.products, (product) => products.getProductFollowers(product)],
  user_followers: [read.users, (user) => ofV2Users.getUserFollowers(user)],
  deal_permitted_users: [read.deals, (deal) => v1Deals.getDealUsers(deal)],
  product_variations: [read.products, (product) => products.getProductVariations(product)],
  product_images: [read.products, async (product) => ({ data: [(await products.getProductImage(product)).data] })],
  person_products: [
    read.persons,
    async (person) => ({ data: (await v1Persons.getPersonProducts(person)).data.flatMap(Object.keys) }),
  ],
  product_deals: [read.products, (product) => v1Products.getProductDeals(product)],
  organization_relationships: [
    read.organizations,
    ({ id }) => relationships.getOrganizationRelationships({ org_id: id }),
  ],
  mail_messages: [read.mail_threads, (thread) => mailbox.getMailThreadMessages(thread)],
  note_comments: [read.notes, (note) => notes.getNoteComments(note)],
  role_assignments: [read.roles, (role) => roles.getRoleAssignments(role)],
  project_plan: [read.projects, (project) => v1Projects.getProjectPlan(project)],
  project_groups: [read.projects, (project) => v1Projects.getProjectGroups(project)],
};

for (const [name, [parents, readList]] of Object.entries(children)) {
  try {
    read[name] = await below(parents, readList);
  } catch (error) {
    throw new Error(`${name}: ${error.message ?? JSON.stringify(error)}`);
  }
}

process.stdout.write(JSON.stringify(read));
