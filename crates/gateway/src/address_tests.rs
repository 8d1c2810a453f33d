//! Spellings and addresses: the list of what must be refused, and of what must not.

use std::net::IpAddr;

use super::{
    AddressError, AddressRule, Host, Scheme, check_address, check_resolved, check_url, is_public,
};

use AddressRule::{AllowPrivate, PublicOnly};

#[test]
fn spellings_that_are_refused_under_any_rule() {
    let odd = [
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://0X7F.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.01/",
        "http://127.0.0.1./",
        "http://localhost./",
        "http://example.com./",
        "http://example..com/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://user@169.254.169.254/",
        "http://user:pw@example.com/",
        "http://user@allowed.example@169.254.169.254/",
        "http://allowed.example%2f@evil.example/",
        "http://allowed.example%2fevil.example/",
        "http://exam%70le.com/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://[::1]:/",
        "http://::1/",
        "http://example.com:/",
        "http://example.com:0/",
        "http://example.com:080/",
        "http://example.com:65536/",
        "http://example.com:99999999999/",
        "http://example.com:-1/",
        "http://example.com:80:80/",
        "http:///mcp",
        "http://",
        "http:/example.com/",
        "http:example.com",
        "//example.com/",
        "example.com/mcp",
        "",
        "http://example.com\\@evil.example/",
        "http://exa mple.com/",
        " http://example.com/",
        "http://example.com/\u{e9}",
        "http://b\u{fc}cher.example/",
        "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
        "http://example.com/#x",
        "http://example.com#@evil.example/",
        "http://-example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "unix:/run/x.sock",
        "unix:///run/x.sock",
        "javascript:alert(1)",
        "ws://example.com/",
        "httpss://example.com/",
        "http\t://example.com/",
    ];
    for url in odd {
        for rule in [PublicOnly, AllowPrivate] {
            assert!(check_url(url, rule).is_err(), "{url:?} was accepted under {rule:?}");
        }
    }
    let long = format!("http://example.com/{}", "a".repeat(2048));
    assert!(check_url(&long, AllowPrivate).is_err());
    let label = format!("http://{}.example/", "a".repeat(64));
    assert!(check_url(&label, AllowPrivate).is_err());
}

#[test]
fn private_hosts_need_the_opt_in() {
    let private = [
        "http://127.0.0.1:22",
        "http://127.0.0.1",
        "http://127.255.255.254/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/",
        "http://100.64.0.1/",
        "http://100.127.255.255/",
        "http://198.18.0.1/",
        "http://192.0.2.1/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001::1]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[fc00::1]/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://[100::1]/",
        "http://localhost/",
        "http://LOCALHOST:9000/mcp",
        "http://a.localhost/",
        "http://printer.local/",
        "http://metadata.google.internal/",
    ];
    for url in private {
        assert!(
            matches!(check_url(url, PublicOnly), Err(AddressError::Private(_))),
            "{url} under PublicOnly"
        );
        assert!(check_url(url, AllowPrivate).is_ok(), "{url} under AllowPrivate");
    }
}

#[test]
fn ordinary_urls_pass_and_keep_their_parts() {
    let url = check_url("HTTPS://MCP.Example.com:8443/a/mcp?key=1%202", PublicOnly)
        .expect("an ordinary URL");
    assert_eq!(url.scheme(), Scheme::Https);
    assert_eq!(url.host(), &Host::Name("mcp.example.com".into()));
    assert_eq!(url.port(), 8443);
    assert_eq!(url.target().as_str(), "/a/mcp?key=1%202");
    assert_eq!(url.host_header(), "mcp.example.com:8443");
    assert!(!format!("{url:?}").contains("key"), "Debug shows the query: {url:?}");

    let url = check_url("https://example.com", PublicOnly).expect("no path");
    assert_eq!(
        (url.port(), url.target().as_str(), url.host_header().to_str().ok()),
        (443, "/", Some("example.com"))
    );
    let url = check_url("http://example.com?x=1", PublicOnly).expect("a query without a path");
    assert_eq!(url.target().as_str(), "/?x=1");
    let url = check_url("http://[2606:4700::1]:80/", PublicOnly).expect("a public IPv6 address");
    assert_eq!(url.host_header(), "[2606:4700::1]");
    for fine in [
        "http://8.8.8.8/",
        "https://xn--bcher-kva.example/",
        "http://my_service.example/",
        "http://1.example/",
        "http://x/",
    ] {
        assert!(check_url(fine, PublicOnly).is_ok(), "{fine}");
    }
}

#[test]
fn the_edges_of_the_public_ranges() {
    let public = [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7::1",
        "2003::",
        "2606:4700::1111",
        "3ffe::1",
    ];
    let not = [
        "0.255.255.255",
        "10.0.0.0",
        "100.64.0.0",
        "127.0.0.0",
        "192.0.0.170",
        "192.88.99.1",
        "198.51.100.1",
        "203.0.113.1",
        "1fff:ffff::",
        "4000::",
        "2001:1ff::1",
        "2002::",
        "3fff:fff::",
        "::ffff:1.1.1.1",
    ];
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    for text in public {
        assert!(is_public(ip(text)), "{text} is public");
    }
    for text in not {
        assert!(!is_public(ip(text)), "{text} is not public");
    }
    assert!(check_address(ip("10.0.0.0"), AllowPrivate).is_ok());
}

#[test]
fn one_private_address_refuses_a_mixed_answer() {
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let mixed = [ip("93.184.216.34"), ip("fd00::1")];
    let refused = check_resolved("x.example", mixed, PublicOnly);
    assert_eq!(
        refused,
        Err(AddressError::ResolvesPrivate { name: "x.example".to_owned(), address: ip("fd00::1") })
    );
    assert_eq!(check_resolved("x.example", [ip("93.184.216.34")], PublicOnly), Ok(()));
    assert_eq!(check_resolved("x.example", mixed, AllowPrivate), Ok(()));
}
