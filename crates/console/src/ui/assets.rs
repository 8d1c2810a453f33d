//! What pages load: the style sheet and the scripts, all from this binary, each at an address that changes with its content.
//!
//! What never lives here: pages.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::ui::address::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// All of them.
const ASSETS: &[Asset] = &[
    Asset { name: "app.css", kind: CSS, bytes: include_bytes!("../../assets/app.css") },
    Asset { name: "app.js", kind: SCRIPT, bytes: include_bytes!("../../assets/app.js") },
    Asset { name: "swap.js", kind: SCRIPT, bytes: include_bytes!("../../assets/swap.js") },
    Asset { name: "activity.js", kind: SCRIPT, bytes: include_bytes!("../../assets/activity.js") },
    Asset { name: "setup.js", kind: SCRIPT, bytes: include_bytes!("../../assets/setup.js") },
    Asset {
        name: "approvals.js",
        kind: SCRIPT,
        bytes: include_bytes!("../../assets/approvals.js"),
    },
    Asset { name: "builder.js", kind: SCRIPT, bytes: include_bytes!("../../assets/builder.js") },
    Asset {
        name: "builder_text.js",
        kind: SCRIPT,
        bytes: include_bytes!("../../assets/builder_text.js"),
    },
    Asset {
        name: "builder_list.js",
        kind: SCRIPT,
        bytes: include_bytes!("../../assets/builder_list.js"),
    },
    Asset {
        name: "builder_rules.js",
        kind: SCRIPT,
        bytes: include_bytes!("../../assets/builder_rules.js"),
    },
    Asset {
        name: "builder_fields.js",
        kind: SCRIPT,
        bytes: include_bytes!("../../assets/builder_fields.js"),
    },
    Asset { name: "mark.svg", kind: IMAGE, bytes: include_bytes!("../../assets/mark.svg") },
];

/// Hexadecimal digits of the mark in an address.
const MARK_DIGITS: usize = 16;

/// Changes whenever one of them does: modules name each other without a mark, so all carry the same one.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS {
        hash.update(asset.name);
        hash.update(asset.bytes);
    }
    let mut mark = String::new();
    for byte in hash.finalize().iter().take(MARK_DIGITS / 2) {
        let _infallible = write!(mark, "{byte:02x}");
    }
    mark
});

/// Scripts as they are served: without indentation, empty lines and lines of comment, which is a tenth of them. No text of a
/// script goes over several lines, so that this is never a change of one.
static SERVED: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let served = |asset: &Asset| match str::from_utf8(asset.bytes) {
        Ok(text) if asset.kind == SCRIPT => Bytes::from(lean(text)),
        Ok(_) | Err(_) => Bytes::from_static(asset.bytes),
    };
    ASSETS.iter().map(served).collect()
});

fn lean(script: &str) -> String {
    let is_comment =
        |line: &&str| line.starts_with("//") || (line.starts_with("/**") && line.ends_with("*/"));
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Where an asset of that name is.
pub(crate) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", MARK.as_str())
}

/// One asset. Under another mark it is the same, but kept by nobody: a page from before an update asks so.
pub(super) async fn show(Path((mark, name)): Path<(String, String)>) -> Response {
    let found = ASSETS.iter().zip(SERVED.iter()).find(|(asset, _)| asset.name == name);
    let Some((asset, bytes)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kept = if mark == MARK.as_str() {
        HeaderValue::from_static("public, max-age=31536000, immutable")
    } else {
        HeaderValue::from_static("no-store")
    };
    let kind = HeaderValue::from_static(asset.kind);
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept)], bytes.clone()).into_response()
}

#[cfg(test)]
mod tests;
