//! The configuration as a TOML file.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{Bind, Config, ConfigError, limits::LimitsTable, tls};

/// What a file may say; what it leaves out keeps its default. A key that is not here is an error: it would be a setting that silently does nothing.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    bind: Option<Text<Bind>>,
    path: Option<Text<super::RoutePath>>,
    public_url: Option<Text<super::PublicUrl>>,
    allow_origin: Option<Vec<Text<super::Origin>>>,
    prefix: Option<Vec<Text<super::RoutePath>>>,
    open: Option<bool>,
    tokens: Option<PathBuf>,
    token_audience: Option<String>,
    token_revoked: Option<PathBuf>,
    anonymous_rights: Option<Vec<Text<crate::token::Right>>>,
    list_names: Option<bool>,
    http_host: Option<Vec<Text<super::HttpHost>>>,
    http_path: Option<bool>,
    trusted_proxies: Option<Vec<Text<super::Network>>>,
    lease_key: Option<PathBuf>,
    stun: Option<Text<Bind>>,
    #[cfg(feature = "webtransport")]
    webtransport: Option<u16>,
    turn: Option<Vec<Text<super::TurnUrl>>>,
    turn_secret: Option<PathBuf>,
    admin: Option<Text<Bind>>,
    admin_actions: Option<bool>,
    log_format: Option<Text<super::LogFormat>>,
    tls: Option<Text<tls::Mode>>,
    tls_dir: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    #[cfg(feature = "acme")]
    #[serde(skip_serializing_if = "super::acme::Said::is_nothing")]
    acme: super::acme::Said,
    #[cfg(feature = "cluster")]
    #[serde(skip_serializing_if = "super::cluster::Said::is_nothing")]
    cluster: super::cluster::Said,
    limits: LimitsTable,
}

/// A value that stands in the file as text and is parsed while reading, so that an error names its line.
#[derive(Debug)]
struct Text<T>(T);

/// Puts what the file at `path` says over `config`. Files that it names lie beside it, wherever the program was started.
pub(super) fn read(path: &Path, config: &mut Config) -> Result<(), ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    apply(&text, folder, config).map_err(|message| ConfigError::File { path: path.to_owned(), message })
}

/// All of `config` as a file.
pub(super) fn write(config: &Config) -> String {
    let said = tls::Said::of(config.tls.as_ref());
    let file = File {
        bind: Some(Text(Bind(config.bind))),
        path: Some(Text(config.path.clone())),
        public_url: config.public_url.clone().map(Text),
        allow_origin: Some(config.allow_origin.iter().cloned().map(Text).collect()),
        prefix: Some(config.prefix.iter().cloned().map(Text).collect()),
        open: Some(config.open),
        tokens: config.tokens.clone(),
        token_audience: config.token_audience.clone(),
        token_revoked: config.token_revoked.clone(),
        anonymous_rights: Some(config.anonymous_rights.iter().cloned().map(Text).collect()),
        list_names: config.list_names,
        http_host: config.http_host.clone().map(|hosts| hosts.into_iter().map(Text).collect()),
        http_path: Some(config.http_path),
        trusted_proxies: Some(config.trusted_proxies.iter().copied().map(Text).collect()),
        lease_key: config.lease_key.clone(),
        stun: config.stun.map(|address| Text(Bind(address))),
        #[cfg(feature = "webtransport")]
        webtransport: config.webtransport,
        admin: config.admin.map(|address| Text(Bind(address))),
        admin_actions: Some(config.admin_actions),
        log_format: Some(Text(config.log_format)),
        turn: Some(config.turn.iter().cloned().map(Text).collect()),
        turn_secret: config.turn_secret.clone(),
        tls: said.mode.map(Text),
        tls_dir: said.folder,
        tls_cert: said.certificate,
        tls_key: said.key,
        #[cfg(feature = "acme")]
        acme: said.acme,
        #[cfg(feature = "cluster")]
        cluster: config.cluster.clone().map(Into::into).unwrap_or_default(),
        limits: LimitsTable::from(&config.limits),
    };
    // Texts, numbers and one table: TOML has a form for each, so this cannot fail; if it did, the text would say so.
    toml::to_string(&file).unwrap_or_else(|error| format!("# cannot be written: {error}\n"))
}

fn apply(text: &str, folder: &Path, config: &mut Config) -> Result<(), String> {
    let mut file: File = toml::from_str(text).map_err(|error| one_line(text, &error))?;
    file.paths().for_each(|path| *path = folder.join(&*path));
    set(&mut config.bind, file.bind.map(|Text(Bind(address))| Text(address)));
    set(&mut config.path, file.path);
    config.public_url = file.public_url.map(|url| url.0).or_else(|| config.public_url.take());
    set_all(&mut config.allow_origin, file.allow_origin);
    set_all(&mut config.prefix, file.prefix);
    config.open = file.open.unwrap_or(config.open);
    config.tokens = file.tokens.or_else(|| config.tokens.take());
    config.token_audience = file.token_audience.or_else(|| config.token_audience.take());
    config.token_revoked = file.token_revoked.or_else(|| config.token_revoked.take());
    set_all(&mut config.anonymous_rights, file.anonymous_rights);
    config.list_names = file.list_names.or(config.list_names);
    if let Some(hosts) = file.http_host {
        config.http_host = Some(hosts.into_iter().map(|Text(host)| host).collect());
    }
    config.http_path = file.http_path.unwrap_or(config.http_path);
    set_all(&mut config.trusted_proxies, file.trusted_proxies);
    config.lease_key = file.lease_key.or_else(|| config.lease_key.take());
    config.stun = file.stun.map(|Text(Bind(address))| address).or(config.stun);
    #[cfg(feature = "webtransport")]
    {
        config.webtransport = file.webtransport.or(config.webtransport);
    }
    config.admin = file.admin.map(|Text(Bind(address))| address).or(config.admin);
    config.admin_actions = file.admin_actions.unwrap_or(config.admin_actions);
    set(&mut config.log_format, file.log_format);
    set_all(&mut config.turn, file.turn);
    config.turn_secret = file.turn_secret.or_else(|| config.turn_secret.take());
    let said = tls::Said {
        mode: file.tls.map(|mode| mode.0),
        certificate: file.tls_cert,
        key: file.tls_key,
        folder: file.tls_dir,
        #[cfg(feature = "acme")]
        acme: file.acme,
    };
    if let Some(tls) = said.tls().map_err(|error| error.to_string())? {
        config.tls = tls;
    }
    #[cfg(feature = "cluster")]
    {
        config.cluster = file.cluster.cluster(config.cluster.take()).map_err(|error| format!("[cluster] {error}"))?;
    }
    file.limits.apply(&mut config.limits).map_err(|error| format!("[limits] {error}"))
}

impl File {
    /// Every file and folder that it names.
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let mut paths = vec![&mut self.tokens, &mut self.token_revoked, &mut self.lease_key, &mut self.turn_secret];
        paths.extend([&mut self.tls_dir, &mut self.tls_cert, &mut self.tls_key]);
        #[cfg(feature = "acme")]
        paths.extend(self.acme.paths());
        #[cfg(feature = "cluster")]
        paths.extend(self.cluster.paths());
        paths.into_iter().flatten()
    }
}

fn set<T>(to: &mut T, from: Option<Text<T>>) {
    if let Some(Text(value)) = from {
        *to = value;
    }
}

fn set_all<T>(to: &mut Vec<T>, from: Option<Vec<Text<T>>>) {
    if let Some(values) = from {
        *to = values.into_iter().map(|text| text.0).collect();
    }
}

/// toml draws the place over several lines; a log wants one.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let mut message = error.message().lines().collect::<Vec<_>>().join(" ");
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    if let Some(text) = unknown.and_then(crate::private::lacking) {
        message = text;
    }
    for (theirs, ours) in EXPECTED {
        message = message.replace(theirs, ours);
    }
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

/// What the reader of TOML calls by the names of Rust, in words that say what to write.
const EXPECTED: [(&str, &str); 4] = [
    ("expected a sequence", "write a list, as in [\"one\", \"two\"]"),
    ("expected a boolean", "write true or false"),
    ("expected usize", "write a whole number"),
    ("expected u64", "write a whole number"),
];

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| serde::de::Error::custom(format!("{text:?}: {error}")))
    }
}

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        apply(text, Path::new(""), &mut config).map(|()| config)
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let mut config = Config { open: true, ..Config::default() };
        config.public_url = Some("https://bss.example".parse().expect("a URL"));
        config.allow_origin = vec!["http://localhost:3000".parse().expect("an origin")];
        config.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        config.lease_key = Some("/var/lib/bss/lease.key".into());
        config.tokens = Some("/etc/bss/keys.json".into());
        config.token_audience = Some("bss".into());
        config.token_revoked = Some("/etc/bss/revoked".into());
        config.anonymous_rights = vec!["connect=public-*".parse().expect("a right")];
        config.http_host = Some(vec!["*.tabs.example".parse().expect("a wildcard host")]);
        config.http_path = true;
        config.stun = Some(SocketAddr::from(([192, 0, 2, 1], 3478)));
        config.admin = Some(SocketAddr::from(([127, 0, 0, 1], 9090)));
        config.admin_actions = true;
        config.log_format = super::super::LogFormat::Json;
        config.turn = vec!["turn:turn.example.com:3478".parse().expect("a TURN server")];
        config.turn_secret = Some("/var/lib/bss/turn.secret".into());
        config.tls = Some(super::super::Tls::Files { certificate: "/etc/tls.pem".into(), key: "/etc/tls.key".into() });
        config.limits.connections_max = 7;
        config.limits.open_timeout = Duration::from_millis(1234);
        config.limits.memory_budget_bytes = 5 << 30;
        let text = write(&config);
        let read = parsed(&text).expect("valid TOML");
        assert_eq!(format!("{read:?}"), format!("{config:?}"));
        assert_eq!(write(&read), text);
    }

    #[test]
    fn what_a_file_leaves_out_keeps_its_default() {
        let config = parsed("open = true\n[limits]\nclients_max = 9\n").expect("valid TOML");
        assert!(config.open);
        assert_eq!(config.limits.clients_max, 9);
        assert_eq!(config.bind, Config::default().bind);
        assert_eq!(config.limits.open_timeout, Config::default().limits.open_timeout);
    }

    #[test]
    fn the_files_that_a_file_names_lie_beside_it() {
        let beside = |text: &str| {
            let mut config = Config::default();
            apply(text, Path::new("/etc/bss"), &mut config).expect("valid TOML");
            config
        };
        let config = beside("tokens = \"keys.json\"\ntoken_revoked = \"../revoked\"\nlease_key = \"/var/lib/bss/lease.key\"\n");
        assert_eq!(config.tokens, Some("/etc/bss/keys.json".into()));
        assert_eq!(config.token_revoked, Some("/etc/bss/../revoked".into()));
        assert_eq!(config.lease_key, Some("/var/lib/bss/lease.key".into()), "it says where");
        let config = beside("tls_cert = \"a.pem\"\ntls_key = \"a.key\"\nturn = [\"turn:t:3478\"]\nturn_secret = \"turn\"\n");
        let tls = super::super::Tls::Files { certificate: "/etc/bss/a.pem".into(), key: "/etc/bss/a.key".into() };
        assert_eq!((config.tls, config.turn_secret), (Some(tls), Some("/etc/bss/turn".into())));
        let config = beside("tls = \"self-signed\"\ntls_dir = \"tls\"\n");
        assert_eq!(config.tls, Some(super::super::Tls::SelfSigned(Some("/etc/bss/tls".into()))));
    }

    #[test]
    fn a_mistake_in_a_file_is_told_with_its_line() {
        for (text, says) in [
            ("open = true\nbnid = \"127.0.0.1:1\"\n", "line 2: unknown field `bnid`"),
            ("[limits]\nclient_max = 1\n", "line 2: unknown field `client_max`"),
            ("bind = \"localhost\"\n", "line 1: \"localhost\": not an address and a port: write it as 127.0.0.1:8080"),
            ("allow_origin = \"http://a\"\n", "line 1: invalid type: string \"http://a\", write a list, as in [\"one\", \"two\"]"),
            ("[limits]\nclients_max = \"9\"\n", "line 2: invalid type: string \"9\", write a whole number"),
            ("[limits]\nopen_timeout_ms = 1.5\n", "write a whole number"),
            ("open = \"yes\"\n", "write true or false"),
            ("\nallow_origin = [\"*\"]\n", "line 2: \"*\": not an origin"),
            ("trusted_proxies = [\"10.0.0.1/8\"]\n", "line 1: \"10.0.0.1/8\": not an address or network"),
            ("http_host = [\"tabs.example\"]\n", "line 1: \"tabs.example\": not a wildcard host"),
            ("prefix = [\"/a/\"]\n", "not a path"),
            ("tls = \"yes\"\n", "line 1: \"yes\": write self-signed or off"),
            ("log_format = \"xml\"\n", "line 1: \"xml\": write pretty or json"),
            ("tls_cert = \"a\"\n", "belong together"),
            ("open = 1\n", "line 1: invalid type"),
            ("open =\n", "line 1: "),
            ("[limits]\nclients_max = 0\n", "clients_max = 0 would refuse everything"),
            ("[limits]\nreply_timeout_ms = 100000000000\n", "reply_timeout_ms is too much"),
            ("[limits]\nopens_burst = 0\n", "opens_burst = 0 would refuse everything"),
            ("[limits]\nmisc_frames_per_second = 100000000\n", "misc_frames_per_second is too much: give it at most 16777216"),
            ("[limits]\nmemory_budget_bytes = 2000000000000\n", "memory_budget_bytes is too much"),
            ("[limits]\nhalf_closed_timeout_ms = 0\n", "half_closed_timeout_ms = 0"),
            ("[limits]\nqueued_busy_at_bytes = 99999999\n", "queued_busy_at_bytes is above queued_reset_at_bytes"),
            ("[limits]\nmemory_budget_bytes = 1000\n", "give memory_budget_bytes at least as much"),
        ] {
            let message = parsed(text).expect_err(text);
            assert!(message.contains(says), "{text:?} gives {message:?}");
            assert!(!message.contains('\n'), "{message:?}");
        }
    }

    #[cfg(not(feature = "cluster"))]
    #[test]
    fn a_table_that_other_builds_have_is_told_with_the_feature_that_it_needs() {
        let message = parsed("open = true\n[cluster]\nlisten = \"127.0.0.1:7070\"\n").expect_err("it is not here");
        assert!(message.starts_with("line 2: cluster is not in this build") && message.contains("--features cluster"), "{message}");
    }
}
