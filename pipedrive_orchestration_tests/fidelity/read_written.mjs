// Reads single records through Pipedrive's own npm client. Standard input has them as a list of
// {"collection": "deal_products", "parents": ["7"], "id": "21"}, and each comes back on standard output as the
// client has it, in the same order; null where the client has none.
//
// Run in a folder in which `npm install pipedrive` was done, with PIPEDRIVE_API_URL and
// PIPEDRIVE_API_TOKEN in the environment.

import { readFileSync } from "node:fs";

import { v1, v1Configuration, v2, v2Configuration } from "./client.mjs";

const of1 = (api) => new v1[api](v1Configuration);
const of2 = (api) => new v2[api](v2Configuration);
const data = async (answer) => (await answer).data;

// One of a list, by what tells its records apart.
const among = (list, key = "id") => async (wanted) =>
  (await list(wanted)).find((record) => String(record[key]) === String(wanted.id)) ?? null;

const follower = (api, method) =>
  among(({ parents: [id] }) => data(of2(api)[method]({ id: Number(id) })), "user_id");
const fields = { deal: "Deal", person: "Person", organization: "Organization", product: "Product", project: "Project" };

const read = {
  deals: ({ id }) => data(of2("DealsApi").getDeal({ id })),
  persons: ({ id }) => data(of2("PersonsApi").getPerson({ id })),
  organizations: ({ id }) => data(of2("OrganizationsApi").getOrganization({ id })),
  activities: ({ id }) => data(of2("ActivitiesApi").getActivity({ id, include_fields: "attendees" })),
  products: ({ id }) => data(of2("ProductsApi").getProduct({ id })),
  pipelines: ({ id }) => data(of2("PipelinesApi").getPipeline({ id })),
  stages: ({ id }) => data(of2("StagesApi").getStage({ id })),
  projects: ({ id }) => data(of2("ProjectsApi").getProject({ id })),
  tasks: ({ id }) => data(of2("TasksApi").getTask({ id })),
  boards: ({ id }) => data(of2("ProjectBoardsApi").getProjectsBoard({ id })),
  phases: ({ id }) => data(of2("ProjectPhasesApi").getProjectsPhase({ id })),
  leads: ({ id }) => data(of1("LeadsApi").getLead({ id })),
  notes: ({ id }) => data(of1("NotesApi").getNote({ id })),
  lead_labels: among(() => data(of1("LeadLabelsApi").getLeadLabels())),
  activity_types: among(() => data(of1("ActivityTypesApi").getActivityTypes())),
  filters: ({ id }) => data(of1("FiltersApi").getFilter({ id })),
  users: ({ id }) => data(of1("UsersApi").getUser({ id })),
  roles: ({ id }) => data(of1("RolesApi").getRole({ id })),
  role_assignments: among(({ parents: [id] }) => data(of1("RolesApi").getRoleAssignments({ id })), "user_id"),
  legacy_teams: ({ id }) => data(of1("LegacyTeamsApi").getTeam({ id })),
  goals: among(async () =>
    (await data(of1("GoalsApi").getGoals({ expected_outcome_tracking_metric: "quantity" }))).goals,
  ),
  call_logs: ({ id }) => data(of1("CallLogsApi").getCallLog({ id })),
  files: ({ id }) => data(of1("FilesApi").getFile({ id })),
  mail_threads: ({ id }) => data(of1("MailboxApi").getMailThread({ id })),
  organization_relationships: ({ id }) =>
    data(of1("OrganizationRelationshipsApi").getOrganizationRelationship({ id })),
  deal_products: among(({ parents }) =>
    data(of2("DealProductsApi").getDealsProducts({ deal_ids: parents.map(Number) })),
  ),
  deal_discounts: among(({ parents: [id] }) => data(of2("DealsApi").getAdditionalDiscounts({ id: Number(id) }))),
  deal_installments: among(({ parents }) =>
    data(of2("DealInstallmentsApi").getInstallments({ deal_ids: parents.map(Number) })),
  ),
  deal_participants: among(({ parents: [id] }) => data(of1("DealsApi").getDealParticipants({ id }))),
  deal_followers: follower("DealsApi", "getDealFollowers"),
  person_followers: follower("PersonsApi", "getPersonFollowers"),
  organization_followers: follower("OrganizationsApi", "getOrganizationFollowers"),
  product_followers: follower("ProductsApi", "getProductFollowers"),
  product_variations: among(({ parents: [id] }) =>
    data(of2("ProductsApi").getProductVariations({ id: Number(id) })),
  ),
  note_comments: ({ parents: [id], id: commentId }) => data(of1("NotesApi").getComment({ id, commentId })),
};
read.remote_files = read.linked_files = read.files;
for (const [one, name] of Object.entries(fields)) {
  const field = (field_code) => data(of2(`${name}FieldsApi`)[`get${name}Field`]({ field_code }));
  read[`${one}_fields`] = ({ id }) => field(id);
  read[`${one}_field_options`] = among(async ({ parents: [code] }) => (await field(code)).options);
}

const records = [];
for (const wanted of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    records.push(await read[wanted.collection](wanted));
  } catch (error) {
    throw new Error(`${JSON.stringify(wanted)}: ${error.message ?? JSON.stringify(error)}`);
  }
}
process.stdout.write(JSON.stringify(records));
