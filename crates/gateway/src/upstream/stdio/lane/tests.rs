//! Starts of children, seen from inside.

use std::time::Duration;

use mcp::Era;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Known, Lanes, Ready};
use crate::upstream::spec::Transport;
use crate::upstream::stdio::tests::spec;

fn lanes(mode: &str) -> Lanes {
    let spec = spec(mode);
    let Transport::Stdio(program) = &spec.transport else { panic!("not a program") };
    Lanes::new(&spec, program.clone(), watch::Sender::new(0))
}

#[tokio::test]
async fn a_start_goes_on_when_the_one_who_asked_is_dropped() {
    let lanes = lanes("legacy");
    let by = Instant::now() + Duration::from_mins(1);
    tokio::select! {
        _ = lanes.ready(Era::Legacy, by) => panic!("it takes longer to start"),
        () = async { while lanes.shared.threads.running() < 3 { tokio::task::yield_now().await } } => {}
    }
    let ready = lanes.ready(Era::Legacy, by).await.expect("a child");
    assert!(matches!(ready, Ready::Running(..)));
    assert_eq!(lanes.shared.starting.lock().await.in_a_row, 1, "started once");
    lanes.stop().await;
}

#[tokio::test]
async fn a_modern_program_is_tried_once_for_the_handshake_era() {
    let by = Instant::now() + Duration::from_mins(1);
    for (mode, known) in [("sdk", Known::Both), ("modern", Known::ModernOnly)] {
        let lanes = lanes(mode);
        assert_eq!(lanes.era(by).await.expect("a child"), Era::Modern, "{mode}");
        assert_eq!(lanes.shared.lock().known, Known::ModernFirst, "{mode}");
        for _ in 0..3 {
            let ready = lanes.ready(Era::Legacy, by).await.expect("an answer");
            assert_eq!(matches!(ready, Ready::Running(_, Some(_))), known == Known::Both, "{mode}");
        }
        assert_eq!(lanes.shared.lock().known, known);
        assert_eq!(lanes.shared.starting.lock().await.in_a_row, 2, "{mode}");
        let ready = lanes.ready(Era::Modern, by).await.expect("a child");
        assert!(matches!(ready, Ready::Running(_, None)), "{mode}");
        lanes.stop().await;
    }
}
