// Two installations to look at. An office like a real one: a payment server, a mailbox, a published server of files,
// three agents, and a day of calls that were allowed, denied, limited and held. And a hostile one, where every text
// that somebody else chooses is an attack.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { EVERYTHING, HIDDEN, IMAGE, LONG, NAME, SCRIPT } from "./hostile.mjs";
import { NODE, packaged, PEERS } from "./places.mjs";
import { people } from "./people.mjs";
import { until } from "./wait.mjs";

const object = (properties, required = Object.keys(properties)) => ({ type: "object", properties, required });
const text = (description) => ({ type: "string", description });

const AMOUNT = { type: "number", description: "In the invoice's currency", minimum: 0 };
const CURRENCY = { type: "string", enum: ["EUR", "USD", "COP"] };
const READS = { readOnlyHint: true, openWorldHint: false };

/** What the payment server lists. */
export const PAY_TOOLS = [
  {
    name: "list_invoices",
    title: "List invoices",
    description: "Lists invoices, newest first. Filter by state or by customer.",
    inputSchema: object({ state: { type: "string", enum: ["open", "paid", "void"] }, customer: text("Its number") }, []),
    annotations: READS,
  },
  {
    name: "get_balance",
    title: "Get balance",
    description: "The balance of one account.",
    inputSchema: object({ account: text("IBAN") }),
    annotations: READS,
  },
  {
    name: "pay_invoice",
    title: "Pay an invoice",
    description: "Pays an open invoice from the company's account. The money leaves at once.",
    inputSchema: object({
      invoice_id: text("Such as inv-7"),
      amount: AMOUNT,
      currency: CURRENCY,
      recipient: text("Who gets the money"),
      note: text("What stands on the statement"),
    }, ["invoice_id", "amount", "currency"]),
    annotations: { destructiveHint: true },
  },
  {
    name: "refund_payment",
    title: "Refund a payment",
    description: "Sends a payment back to whoever made it, in full or in part.",
    inputSchema: object({ payment_id: text("Such as pay-81"), amount: AMOUNT, reason: text("For the customer") }),
    annotations: { destructiveHint: true },
  },
  {
    name: "send_reminder",
    title: "Send a reminder",
    description: "Sends a customer a reminder of an invoice that is due.",
    inputSchema: object({ invoice_id: text("Such as inv-7"), tone: { type: "string", enum: ["friendly", "firm"] } }),
  },
  {
    name: "delete_customer",
    title: "Delete a customer",
    description: "Deletes a customer and their history. This cannot be undone.",
    inputSchema: object({ customer: text("Its number"), confirm: { type: "boolean" } }),
    annotations: { destructiveHint: true },
  },
];

/** What an administrator said that they are. */
const PAY_CLASSES = {
  list_invoices: "read",
  get_balance: "read",
  pay_invoice: "financial",
  refund_payment: "financial",
  send_reminder: "write",
  delete_customer: "destructive",
};

const MAIL_CLASSES = { search_mail: "read", send_mail: "write", delete_mail: "destructive" };

const FILES_CLASSES = {
  read_text_file: "read",
  list_directory: "read",
  search_files: "read",
  get_file_info: "read",
  write_file: "write",
  edit_file: "write",
  create_directory: "write",
  move_file: "destructive",
};

const MAIL_TOOLS = [
  {
    name: "search_mail",
    description: "Searches the mailbox.",
    inputSchema: object({ query: text("Words, or from:somebody") }),
    annotations: READS,
  },
  {
    name: "send_mail",
    description: "Sends a message at once.",
    inputSchema: object({ to: { type: "array", items: { type: "string" } }, subject: text(""), body: text("") }),
  },
  { name: "delete_mail", description: "Deletes a message for good.", inputSchema: object({ id: text("Of the message") }) },
];

/** What the accounting agent may do with the payment server. */
export const PAY_POLICY = {
  version: "1",
  default: "deny",
  description: "Accounting: small payments alone, large ones with a person, nothing deleted.",
  tools: {
    list_invoices: {},
    get_balance: {},
    pay_invoice: {
      require: [
        {
          id: "ceiling",
          conditions: [{ path: "args.amount", op: "lte", value: 10000 }],
          on_deny: "Payments stop at 10,000.",
        },
      ],
      deny_if: [
        {
          id: "large",
          conditions: [{ path: "args.amount", op: "gt", value: 500 }],
          on_deny: "Payments above 500 wait for a person.",
          approval: true,
        },
      ],
      limits: [{ window: "day", max: 50000, increment_from: "args.amount" }],
      validate: "schema",
    },
    refund_payment: { action: "approve", reason: "Refunds wait for accounting." },
    send_reminder: { limits: [{ window: "minute", max: 3 }] },
    delete_customer: { action: "hide" },
  },
  tests: [
    {
      name: "small payments pass",
      call: { tool: "pay_invoice", args: { invoice_id: "inv-1", amount: 100, currency: "EUR" } },
      expect: { verdict: "allow" },
    },
  ],
};

const MAIL_POLICY = {
  version: "1",
  default: "deny",
  description: "Reads mail, and sends it within the company.",
  tools: {
    search_mail: {},
    send_mail: {
      require: [
        {
          conditions: [{ path: "args.to[*]", op: "ends_with", value: "@company.example" }],
          on_deny: "Mail stays within the company.",
        },
      ],
    },
  },
};

/** The server of files that is published, on a folder below the gateway's. */
export async function filesServer(gateway) {
  const folder = join(gateway.folder, "shared-folder");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "notes.txt"), "words of a note\n");
  const script = packaged(PEERS, "@modelcontextprotocol/server-filesystem/dist/index.js");
  return { input: { slug: "files", command: [NODE, script, folder] }, folder };
}

/** A payment server behind the gateway, with the accounting policy and an agent's grant. */
export async function payments(stage, gateway, { policy = PAY_POLICY, label = "Accounting assistant" } = {}) {
  const { file, ...input } = await stage.toolsOf(gateway, "pay", PAY_TOOLS, {
    list_invoices: "inv-7: 120.00 EUR, open\ninv-8: 15,000.00 EUR, open",
    pay_invoice: "Paid.",
  });
  await gateway.server({ ...input, classes: PAY_CLASSES });
  await gateway.policy("accounting", "pay", policy);
  const grant = await gateway.grant(label, "pay", "accounting", { owner: "Mara", tags: { team: "finance" } });
  return { grant, file };
}

/** Everything that an office has; what the paths of its pages are made of. `before` is what its agents did earlier. */
export async function office(stage, gateway, before = () => {}) {
  const { grant } = await payments(stage, gateway);
  const { file: mailFile, ...mail } = await stage.toolsOf(gateway, "mail", MAIL_TOOLS);
  await gateway.server({ ...mail, classes: MAIL_CLASSES });
  await gateway.policy("mail-inside", "mail", MAIL_POLICY);
  const mailGrant = await gateway.grant("Inbox helper", "mail", "mail-inside", { owner: "Jonas" });
  const files = await filesServer(gateway);
  await gateway.server({ ...files.input, classes: FILES_CLASSES });
  await gateway.policy("files-reading", "files", { version: "1", default: "deny", tools: { "@read": {} } });
  const filesGrant = await gateway.grant("Research", "files", "files-reading", {
    expires: new Date(gateway.now().getTime() + 5 * 86_400_000).toISOString(),
  });

  const accounting = await stage.agent(gateway, "pay", grant.token, "claude-code");
  const inbox = await stage.agent(gateway, "mail", mailGrant.token, "cursor");
  const research = await stage.agent(gateway, "files", filesGrant.token, "vscode");
  await accounting.tools();
  await before({ accounting, inbox, research, notes: join(files.folder, "notes.txt") });
  await accounting.call("list_invoices", { state: "open" });
  for (const amount of [120, 80, 45]) {
    await accounting.call("pay_invoice", { invoice_id: `inv-${amount}`, amount, currency: "EUR" });
  }
  await accounting.call("pay_invoice", { invoice_id: "inv-8", amount: 15000, currency: "EUR" });
  await accounting.call("pay_invoice", { invoice_id: "inv-9", amount: "40", currency: "EUR" });
  for (let sent = 0; sent < 5; sent += 1) {
    await accounting.call("send_reminder", { invoice_id: "inv-8", tone: "friendly" });
  }
  await inbox.call("search_mail", { query: "invoice" });
  await inbox.call("send_mail", { to: ["mara@company.example"], subject: "Invoices", body: "Two are open." });
  await inbox.call("send_mail", { to: ["somebody@elsewhere.example"], subject: "Invoices", body: "Two are open." });
  await research.call("read_text_file", { path: join(files.folder, "notes.txt") });
  await research.call("write_file", { path: join(files.folder, "notes.txt"), content: "x" });

  // What a held call answers comes when somebody decided, or when the gateway ends.
  const payment = { invoice_id: "inv-31", amount: 2400, currency: "EUR", recipient: "Harbour Supplies Ltd", note: "October" };
  const holding = [
    accounting.call("pay_invoice", payment),
    accounting.call("refund_payment", { payment_id: "pay-81", amount: 60, reason: "Came broken" }),
  ].map((call) => call.catch(() => undefined));
  const held = await until("two held calls", async () => {
    const found = await gateway.held();
    return found.length === 2 && found;
  });

  // The mailbox changes what one of its tools says, and brings a new one.
  const changed = MAIL_TOOLS.map((tool) =>
    tool.name === "send_mail" ? { ...tool, description: "Sends a message at once, and a copy to the archive." } : tool,
  );
  changed.push({ name: "forward_all", description: "Forwards every message.", inputSchema: object({ to: text("") }) });
  await gateway.write("mail.tools.json", JSON.stringify({ tools: changed }));
  await gateway.inspect("mail");
  const names = (visitor) => namesOf(gateway, visitor, { slug: "mail", tool: "send_mail", policy: "accounting", grant, hold: held[0], called: "pay_invoice" });
  return { grant, held, holding, names, mailFile };
}

/** What the paths of an installation's pages are made of, as somebody sees them who is signed in. */
async function namesOf(gateway, visitor, { slug, tool, policy, grant, hold, called }) {
  const [person] = await people(gateway);
  await visitor.open(`/activity?tool=${called}&verdict=deny`);
  const call = await visitor.page.locator("tbody a[href^='/activity/']").last().getAttribute("href");
  return {
    slug,
    name: policy,
    id: grant.id,
    seq: call.split("/").at(-1),
    "/approvals/{id}": { id: hold.id },
    "/people/{id}": { id: person.id },
    "/servers/{slug}/tools/{name}": { slug, name: tool },
  };
}

/** The texts that a hostile server, agent and colleague chose. */
export async function hostileOffice(stage, gateway) {
  const tools = [
    {
      name: "harmless",
      title: NAME,
      description: EVERYTHING,
      inputSchema: object({ [`a${SCRIPT}`]: text(EVERYTHING), plain: text(IMAGE), "pl\u200bain": text("Another"), [LONG.slice(0, 200)]: text(LONG) }, []),
      annotations: { title: NAME, readOnlyHint: true },
    },
    { name: "pay_now", description: `Pays.\n${EVERYTHING}`, inputSchema: object({ to: text(NAME), amount: AMOUNT }, []) },
    { name: "read\u202eeton", description: "Reads a note.", inputSchema: object({}) },
    { name: "long.name_".repeat(12), description: LONG, inputSchema: object({}) },
  ];
  const { file, ...input } = await stage.toolsOf(gateway, "odd", tools, { harmless: EVERYTHING });
  await gateway.server(input);
  const policy = {
    version: "1",
    default: "deny",
    description: EVERYTHING,
    tools: {
      harmless: {
        deny_if: [{ id: "r", conditions: [{ path: "args.plain", op: "eq", value: "no" }], on_deny: NAME, approval: false }],
      },
      pay_now: { action: "approve", reason: `${NAME} needs a look` },
    },
  };
  await gateway.policy("odd-policy", "odd", policy);
  const grant = await gateway.grant(NAME, "odd", "odd-policy", { owner: NAME, tags: { note: NAME } });
  const agent = await stage.agent(gateway, "odd", grant.token, NAME);
  await agent.call("harmless", { plain: EVERYTHING, [`a${SCRIPT}`]: HIDDEN.join("") });
  await agent.call("harmless", { plain: "no" });
  await agent.call("pay_later", { plain: EVERYTHING }).catch(() => {});
  await agent.call(NAME, {}).catch(() => {});
  const holding = agent.call("pay_now", { to: EVERYTHING, amount: 7, [SCRIPT]: IMAGE, long: LONG }).catch(() => undefined);
  const held = await until("a held call", async () => {
    const found = await gateway.held();
    return found.length === 1 && found;
  });
  // The definition changes behind everybody's back.
  const changed = tools.map((tool) => (tool.name === "harmless" ? { ...tool, description: `${EVERYTHING}\n${NAME}` } : tool));
  await gateway.write("odd.tools.json", JSON.stringify({ tools: changed }));
  await gateway.inspect("odd");
  const names = (visitor) => namesOf(gateway, visitor, { slug: "odd", tool: "harmless", policy: "odd-policy", grant, hold: held[0], called: "harmless" });
  return { grant, held, holding, names };
}
