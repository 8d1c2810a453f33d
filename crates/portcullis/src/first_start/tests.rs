use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::make;
use crate::config::{Environment, Source, find, load};

#[test]
fn who_has_no_configuration_gets_one_that_loads() {
    let home = tempfile::tempdir().unwrap();
    let odd = home.path().join("a \"home\" of\\mine");
    fs::create_dir(&odd).unwrap();
    let environment = Environment::of(&[("HOME", odd.to_str().unwrap())]);
    let path = make(&environment).unwrap().unwrap();
    assert_eq!(path, odd.join(".config/portcullis/config.toml"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let config = load(&Source { path: path.clone(), environment: &environment }).unwrap();
    assert_eq!(config.data_dir, odd.join(".local/share/portcullis"));
    assert!(config.listen.gateway.ip().is_loopback() && config.listen.console.ip().is_loopback());
    // The next start finds it, and nothing ever replaces it.
    assert_eq!(find(None, &environment).unwrap(), path);
    assert!(make(&environment).is_err());
}

#[test]
fn folders_of_the_environment_are_used_and_without_a_home_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (config, data) = (dir.path().join("c"), dir.path().join("d"));
    let (c, d) = (config.to_str().unwrap(), data.to_str().unwrap());
    let environment = Environment::of(&[("XDG_CONFIG_HOME", c), ("XDG_DATA_HOME", d)]);
    let path = make(&environment).unwrap().unwrap();
    assert_eq!(path, config.join("portcullis/config.toml"));
    let loaded = load(&Source { path, environment: &environment }).unwrap();
    assert_eq!(loaded.data_dir, data.join("portcullis"));
    assert!(make(&Environment::of(&[("XDG_CONFIG_HOME", "relative")])).unwrap().is_none());
}
