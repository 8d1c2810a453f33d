//! The recorder's other door: the stdio bridge, started by the gateway as a child, connects here and
//! passes lines both ways. Its first line is the environment that the gateway gave it.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answers::{Era, MODERN, Outcome};
use super::log::RawRequest;
use super::{Personality, Server, lenient, strict};

/// Messages that wait to be written to one child.
const QUEUE_MESSAGES_MAX: usize = 1024;

/// The variable in which the gateway hands its credential to the child.
pub const CREDENTIAL_VARIABLE: &str = "RECORDER_CREDENTIAL";

/// Accepts bridges on a free loopback port, which is returned.
pub(super) async fn listen(tasks: &mut JoinSet<()>, server: Arc<Server>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    tasks.spawn(async move {
        let mut bridges = JoinSet::new();
        loop {
            if let Ok((stream, _from)) = listener.accept().await {
                bridges.spawn(serve(stream, Arc::clone(&server)));
            }
        }
    });
    port
}

async fn serve(stream: TcpStream, server: Arc<Server>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).split(b'\n');
    let Ok(Some(environment)) = lines.next_segment().await else {
        return;
    };
    let environment: Value = serde_json::from_slice(&environment).unwrap_or_default();
    let credential = environment[CREDENTIAL_VARIABLE] == server.options.credential.as_str();
    let headers = environment.as_object().into_iter().flatten();
    let headers: Vec<(String, String)> =
        headers.map(|(name, value)| (format!("env:{name}"), value.to_string())).collect();
    let (sender, mut queue) = mpsc::channel::<String>(QUEUE_MESSAGES_MAX);
    server.listeners.lock().expect("no holder panics").push(sender.clone());
    let mut work = JoinSet::new();
    work.spawn(async move {
        while let Some(message) = queue.recv().await {
            if writer.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    while let Ok(Some(line)) = lines.next_segment().await {
        let request = RawRequest {
            server: server.options.name,
            method: "PIPE".to_owned(),
            headers: headers.clone(),
            body: line,
            credential,
        };
        server.log.request(request.clone());
        work.spawn(answer(Arc::clone(&server), request, sender.clone()));
    }
}

async fn answer(server: Arc<Server>, request: RawRequest, sender: mpsc::Sender<String>) {
    let messages = match server.options.personality {
        Personality::Lenient => lenient::read(&request),
        Personality::Strict => strict::read(&request).into_iter().collect(),
    };
    let era = if request.holds(MODERN) { Era::Modern } else { Era::Legacy };
    for message in messages {
        let id = message.id.clone().unwrap_or_else(|| "null".to_owned());
        let text = match server.act(&message, era).await {
            Outcome::Result(result) => {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
            }
            Outcome::Error(code, words) => {
                let error = serde_json::json!({ "code": code, "message": words });
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
            }
            Outcome::Accepted | Outcome::Faulted(_) => continue,
        };
        drop(sender.send(text).await);
    }
}
