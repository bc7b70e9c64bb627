use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::tempdir;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn file(identity: &Identity) -> &Path {
    identity.certificate().expect("of files")
}

fn made(folder: &Path, of: &[&str]) -> Identity {
    Identity::self_signed(folder, &names(of)).expect("an identity")
}

#[test]
fn a_certificate_of_ones_own_is_kept_and_only_its_owner_may_read_it() {
    let folder = tempdir().expect("a folder");
    let folder = folder.path().join("state").join("tls");
    let first = made(&folder, &["192.0.2.7", "box"]);
    let again = made(&folder, &["box"]);
    assert_eq!(first.fingerprint(), again.fingerprint(), "as long as it holds for all that is asked");
    assert_eq!(first.fingerprint().map(|text| text.len()), Some(32 * 3 - 1));
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("key.pem")), mode(file(&first))), (0o700, 0o600, 0o600));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2, "nothing else is left there");
}

#[test]
fn one_for_another_network_is_made_with_the_same_key_and_remembers_the_first() {
    let folder = tempdir().expect("a folder");
    let home = made(folder.path(), &["192.0.2.7"]);
    let key = fs::read(folder.path().join("key.pem")).expect("a key");
    let work = made(folder.path(), &["198.51.100.9"]);
    assert_ne!(home.fingerprint(), work.fingerprint());
    assert_eq!(
        made(folder.path(), &["192.0.2.7", "2001:db8::5"]).fingerprint(),
        work.fingerprint(),
        "back at home, with an address of the day"
    );
    assert_eq!(fs::read(folder.path().join("key.pem")).expect("a key"), key);
    assert!(["localhost", "192.0.2.7", "198.51.100.9"].iter().all(|name| work.names.iter().any(|known| known == name)), "{:?}", work.names);
}

#[test]
fn threat_34_one_for_a_wildcard_holds_for_each_name_below_it_and_none_is_made_for_a_single_label() {
    let folder = tempdir().expect("a folder");
    let first = made(folder.path(), &["*.tabs.example", "*.localhost"]);
    assert_eq!(first.names.to_vec(), names(&["localhost", "127.0.0.1", "::1", "*.tabs.example"]));
    // It would be another if a name below were not in it: that is looked at.
    assert_eq!(made(folder.path(), &["any.tabs.example", "*.tabs.example"]).fingerprint(), first.fingerprint());
    assert_ne!(made(folder.path(), &["any.other.example"]).fingerprint(), first.fingerprint());
}

#[test]
fn what_cannot_be_a_name_is_left_out_and_a_lost_key_makes_a_new_certificate() {
    let folder = tempdir().expect("a folder");
    let first = made(folder.path(), &["bad name", "", "box"]);
    assert_eq!(first.names.to_vec(), names(&["localhost", "127.0.0.1", "::1", "box"]));
    fs::remove_file(folder.path().join("key.pem")).expect("removed");
    assert_ne!(made(folder.path(), &[]).fingerprint(), first.fingerprint());
    fs::write(folder.path().join("key.pem"), "no key").expect("written");
    let error = Identity::self_signed(folder.path(), &[]).expect_err("no key").to_string();
    assert!(error.contains("key.pem") && error.contains("delete it"), "{error}");
}

#[test]
fn a_key_of_ones_own_that_others_may_read_is_refused_until_they_may_not() {
    let folder = tempdir().expect("a folder");
    let first = made(folder.path(), &[]);
    let key = folder.path().join("key.pem");
    let allow = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("changed");
    for mode in [0o644, 0o640, 0o604, 0o660] {
        allow(mode);
        let error = Identity::self_signed(folder.path(), &[]).expect_err("others may read it").to_string();
        assert!(error.contains("key.pem") && error.contains(&format!("{mode:o}")) && error.contains("chmod 600"), "{error}");
    }
    allow(0o400);
    assert_eq!(made(folder.path(), &[]).fingerprint(), first.fingerprint());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempdir().expect("a folder");
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let (one, other) = (made(&one, &[]), made(&other, &[]));
    let key = |identity: &Identity| file(identity).with_file_name("key.pem");
    assert!(Identity::of_files(file(&one), &key(&one)).is_ok());
    for (certificate, private, says) in [
        (file(&one), key(&other), "do not fit"),
        (&key(&one), key(&one), "it has no certificate"),
        (file(&one), file(&one).to_owned(), "it has no key"),
        (file(&one), folder.path().join("none"), "cannot read"),
        (folder.path(), key(&one), "cannot read"),
    ] {
        let error = Identity::of_files(certificate, &private).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    assert!(Identity::self_signed(&file, &[]).expect_err("no folder").to_string().contains("--tls-dir"));
}

#[test]
fn a_certificate_that_was_renewed_is_shown_from_then_on_and_a_broken_one_is_not() {
    let folder = tempdir().expect("a folder");
    let (old, new) = (made(&folder.path().join("old"), &[]), made(&folder.path().join("new"), &[]));
    let (before, after) = (old.fingerprint(), new.fingerprint());
    let renew = |bytes: &[u8], second: u64| {
        fs::write(file(&old), bytes).expect("written");
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
        fs::File::options().write(true).open(file(&old)).and_then(|file| file.set_modified(time)).expect("a time of its own");
        old.files().expect("of files").refresh();
    };
    renew(b"half of it", 1);
    assert_eq!(old.fingerprint(), before);
    fs::copy(file(&new).with_file_name("key.pem"), file(&old).with_file_name("key.pem")).expect("copied");
    renew(&fs::read(file(&new)).expect("read"), 2);
    assert_eq!(old.fingerprint(), after);
}
