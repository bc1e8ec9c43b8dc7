// Pipedrive's own npm client, as it was installed into the current folder, and the account that
// PIPEDRIVE_API_URL and PIPEDRIVE_API_TOKEN name.

import { createRequire } from "node:module";
import { join } from "node:path";

const requireFromHere = createRequire(join(process.cwd(), "read.js"));
const { PIPEDRIVE_API_URL: url, PIPEDRIVE_API_TOKEN: apiKey } = process.env;

export const { v1, v2 } = { v1: requireFromHere("pipedrive/v1"), v2: requireFromHere("pipedrive/v2") };
export const v1Configuration = new v1.Configuration({ apiKey, basePath: `${url}/v1` });
export const v2Configuration = new v2.Configuration({ apiKey, basePath: `${url}/api/v2` });
