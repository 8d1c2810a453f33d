//! What the demo's payment server does when it is asked: a small ledger in memory.
//!
//! What never lives here: HTTP, policy. This server trusts its caller, as servers do.

use serde_json::{Value, json};

/// Notices and payments that are remembered, at most; the oldest go first.
const ENTRIES_MAX: usize = 1_000;

/// The state behind the tools.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<String>,
}

/// How a tool call ends: a text, or a text that says what was wrong with it.
pub(super) enum Outcome {
    Done(String),
    Failed(String),
}

fn tool(name: &str, description: &str, required: &[&str], properties: &Value) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": { "type": "object", "properties": properties, "required": required },
    })
}

/// The tools as `tools/list` shows them.
pub(super) fn tools() -> Vec<Value> {
    let text = json!({ "type": "string" });
    let amount = json!({ "type": "number", "exclusiveMinimum": 0 });
    vec![
        tool("list_invoices", "List the open invoices.", &[], &json!({})),
        tool(
            "get_exchange_rate",
            "The rate between two currencies.",
            &["from", "to"],
            &json!({ "from": text, "to": text }),
        ),
        tool(
            "pay_invoice",
            "Pay an invoice. Moves real money.",
            &["invoice_id", "amount", "currency"],
            &json!({ "invoice_id": text, "amount": amount, "currency": text }),
        ),
        tool(
            "backchannel_resend_otp",
            "Send the shopper of a pending authorisation another one-time password.",
            &["ticket"],
            &json!({ "ticket": text }),
        ),
        tool(
            "notify_unregistered_payment",
            "Tell a recipient without an account how to claim a payment.",
            &["phone", "amount"],
            &json!({ "phone": text, "amount": amount }),
        ),
        tool("delete_ledger", "Forget every payment.", &[], &json!({})),
    ]
}

impl Ledger {
    /// Runs a tool; `None` if there is none of this name.
    pub(super) fn run(&mut self, name: &str, arguments: &Value) -> Option<Outcome> {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).map(str::to_owned);
        let amount = arguments.get("amount").filter(|a| a.is_number()).map(Value::to_string);
        let done = match name {
            "list_invoices" => Some(
                "inv-7  Acme Hosting  120.00 EUR\ninv-8  Paper & Sons  15,000.00 EUR".to_owned(),
            ),
            "get_exchange_rate" => {
                text("from").zip(text("to")).map(|(from, to)| format!("1 {from} = 1.08 {to}"))
            }
            "pay_invoice" => match (text("invoice_id"), amount, text("currency")) {
                (Some(invoice), Some(amount), Some(currency)) => {
                    Some(self.enter(format!("paid {invoice}: {amount} {currency}")))
                }
                _ => None,
            },
            "backchannel_resend_otp" => text("ticket")
                .map(|ticket| self.enter(format!("one-time password sent for {ticket}"))),
            "notify_unregistered_payment" => match (text("phone"), amount) {
                (Some(phone), Some(amount)) => {
                    Some(self.enter(format!("told {phone} how to claim {amount}")))
                }
                _ => None,
            },
            "delete_ledger" => {
                self.entries.clear();
                Some("everything forgotten".to_owned())
            }
            _ => return None,
        };
        Some(done.map_or_else(
            || Outcome::Failed("the arguments do not fit the tool's schema".to_owned()),
            Outcome::Done,
        ))
    }

    fn enter(&mut self, entry: String) -> String {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.remove(0);
        }
        self.entries.push(entry.clone());
        entry
    }
}
