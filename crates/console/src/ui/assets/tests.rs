use super::{ASSETS, SCRIPT, lean};

/// Bytes of script that one page may load, less what the heads of the answers take.
const PAGE_BYTES_MAX: usize = 50 * 1024 - 2_048;

fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let scripts = ASSETS.iter().filter(|asset| asset.kind == SCRIPT);
    scripts.map(|asset| (asset.name, str::from_utf8(asset.bytes).unwrap()))
}

#[test]
fn what_is_left_out_of_a_script_is_never_part_of_a_text() {
    assert_eq!(
        lean("// a\n\n  let b = `//`;\n  /** c */\n  d(); // e\n"),
        "let b = `//`;\nd(); // e\n"
    );
    for (name, script) in scripts() {
        for line in script.lines() {
            let even = line.matches('`').count().is_multiple_of(2);
            assert!(even && !line.ends_with('\\'), "{name}: a text over several lines: {line}");
        }
        assert!(!script.contains("/*\n"), "{name}");
    }
}

#[test]
fn the_builder_loads_no_more_script_than_a_page_may() {
    let of_page = |name: &str| name.starts_with("builder") || name == "app.js";
    let bytes: usize =
        scripts().filter(|(name, _)| of_page(name)).map(|(_, s)| lean(s).len()).sum();
    assert!(bytes <= PAGE_BYTES_MAX, "{bytes} bytes");
}
