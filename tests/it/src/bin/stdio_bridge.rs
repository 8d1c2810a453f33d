//! A stdio MCP server that is only a pipe: what the gateway writes goes to the recorder in the test
//! process, and back. Its first line to the recorder is its environment. Decides nothing itself.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse::<u16>().ok());
    let port = port.ok_or_else(|| io::Error::other("usage: stdio-bridge PORT"))?;
    let mut to_recorder = TcpStream::connect(("127.0.0.1", port))?;
    let environment: serde_json::Map<String, serde_json::Value> =
        std::env::vars().map(|(name, value)| (name, value.into())).collect();
    writeln!(to_recorder, "{}", serde_json::Value::Object(environment))?;
    let mut from_recorder = to_recorder.try_clone()?;
    let back = thread::spawn(move || pass(&mut from_recorder, &mut io::stdout()));
    pass(&mut io::stdin(), &mut to_recorder)?;
    to_recorder.shutdown(std::net::Shutdown::Both)?;
    drop(back.join());
    Ok(())
}

/// Passes on what arrives as soon as it arrives.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&block[..count])?;
        to.flush()?;
    }
}
