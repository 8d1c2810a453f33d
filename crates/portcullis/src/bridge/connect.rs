//! `connect`: one stdio client to a gateway's URL.
//!
//! What never lives here: how messages are carried.

use clap::Args;
use gateway::address::{AddressRule, Host, Scheme, ServerUrl, check_url};

use super::carry;
use super::endpoint::Endpoint;
use crate::causes::chain;
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::serve::signals::Signals;

/// What `connect` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
For clients that can only start programs. Messages go from stdin to the gateway and from there to
stdout, as they are; the end of stdin ends the session. The token comes from the environment only.

Example, in a client's configuration:
  {\"command\": \"portcullis\",
   \"args\": [\"connect\", \"https://gateway.example.com/mcp/pay\", \"--token-env\", \"PAY_TOKEN\"],
   \"env\": {\"PAY_TOKEN\": \"pcl_…\"}}")]
pub(crate) struct ConnectArgs {
    /// The server's URL at the gateway
    url: String,
    /// The variable that holds the grant's token
    #[arg(long, value_name = "NAME")]
    token_env: String,
    /// Send the token unencrypted to another machine
    #[arg(long)]
    allow_http: bool,
}

/// Carries messages until stdin ends.
pub(crate) async fn run(args: ConnectArgs, environment: Environment) -> Result<Exit, Failure> {
    let url = check_url(&args.url, AddressRule::AllowPrivate)
        .map_err(|error| Failure::because(Exit::Usage, "the URL is refused", &error))?;
    if url.scheme() == Scheme::Http && !is_here(&url) && !args.allow_http {
        let text = "the URL is http:// and on another machine: the token would travel unencrypted; \
                    use https://, or say --allow-http if the network is trusted";
        return Err(Failure::new(Exit::Usage, text));
    }
    let token = environment.get_non_empty(&args.token_env).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("the variable {} is not set", args.token_env))
    })?;
    let mut signals = Signals::install()?;
    let endpoint = Endpoint::new(&args.url, token)
        .map_err(|error| Failure::because(Exit::Usage, "cannot connect", &error))?;
    if let Err(error) = endpoint.probe().await {
        return Err(Failure::new(Exit::Unreachable, chain(&error)));
    }
    carry(endpoint, &mut signals).await
}

/// Whether a URL names this machine.
fn is_here(url: &ServerUrl) -> bool {
    match url.host() {
        Host::Address(address) => address.is_loopback(),
        Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
    }
}
