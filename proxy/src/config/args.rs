//! The command line of `bss serve`, and the environment beside it.

use std::path::PathBuf;

use clap::Args;

use super::{Bind, Config, ConfigError, HttpHost, LogFormat, Network, Origin, PublicUrl, RoutePath, TurnUrl, file, tls};
use crate::token::Right;

/// Settings: the command line goes before the environment, that before the file, that before the default.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// Where to listen [default: 127.0.0.1:8080]; port 0 takes any free one
    #[arg(long, env = "BSS_BIND", value_name = "ADDRESS:PORT")]
    bind: Option<Bind>,
    /// The path of the WebSocket [default: /mux]
    #[arg(long, env = "BSS_PATH")]
    path: Option<RoutePath>,
    /// A page of this origin may use the proxy too; may be given several times
    #[arg(long, env = "BSS_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    allow_origin: Option<Vec<Origin>>,
    /// Where the proxy is reached from outside, such as https://bss.example.com
    #[allow(rustdoc::bare_urls)] // `--help` shows it as it stands here.
    #[arg(long, env = "BSS_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Pages may serve under this prefix; may be given several times [default: /browser-server]
    #[arg(long, env = "BSS_PREFIX", value_name = "PATH", value_delimiter = ',')]
    prefix: Option<Vec<RoutePath>>,
    /// Anybody who reaches the port may use the proxy: needed to listen beyond this machine
    #[arg(long, env = "BSS_OPEN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    open: Option<bool>,
    /// Only who shows a token may use the proxy, made with a key of this JWKS file: see `bss token`
    #[arg(long, env = "BSS_TOKENS", value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Tokens must be for this audience
    #[arg(long, env = "BSS_TOKEN_AUDIENCE", value_name = "AUDIENCE")]
    token_audience: Option<String>,
    /// Refuse the tokens that this file names, one in a line: a jti, or sub: and whose
    #[arg(long, env = "BSS_TOKEN_REVOKED", value_name = "FILE")]
    token_revoked: Option<PathBuf>,
    /// What may be done without a token, such as connect=public-*; may be given several times
    #[arg(long, env = "BSS_ANONYMOUS_RIGHTS", value_name = "VERB=PATTERN", value_delimiter = ',')]
    anonymous_rights: Option<Vec<Right>>,
    /// Whether whoever may connect may list the names [default: only with --tokens, or without --open and --public-url]
    #[arg(long, env = "BSS_LIST_NAMES", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    list_names: Option<bool>,
    /// Servers that are open to HTTP are reached by it as NAME in the place of the *, such as *.tabs.example.com; may be given several times [default: *.localhost, without
    /// --open, --tokens and --public-url]
    #[arg(long, env = "BSS_HTTP_HOST", value_name = "*.HOST", value_delimiter = ',')]
    http_host: Option<Vec<HttpHost>>,
    /// Reach them below /~NAME/ as well: sandboxed, without cookies and storage
    #[arg(long, env = "BSS_HTTP_PATH", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    http_path: Option<bool>,
    /// Peers come through a proxy at this address or network: count their sessions for whom its X-Forwarded-For names, not for itself; may be given several times
    #[arg(long, env = "BSS_TRUSTED_PROXIES", value_name = "ADDRESS[/BITS]", value_delimiter = ',')]
    trusted_proxies: Option<Vec<Network>>,
    /// Keep the key of leases in this file, made if missing: servers have their names back after a restart
    #[arg(long, env = "BSS_LEASE_KEY", value_name = "FILE")]
    lease_key: Option<PathBuf>,
    /// Answer STUN at this UDP address, such as 0.0.0.0:3478: helps pages to find a direct way to each other
    #[arg(long, env = "BSS_STUN", value_name = "ADDRESS:PORT")]
    stun: Option<Bind>,
    /// Take sessions over WebTransport, too, where WebSockets are blocked, at this UDP port [default: that of the WebSocket]
    #[cfg(feature = "webtransport")]
    #[arg(long, env = "BSS_WEBTRANSPORT", value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    webtransport: Option<u16>,
    /// A TURN server that shares --turn-secret with the proxy, such as turn:turn.example.com:3478; may be given several times
    #[arg(long, env = "BSS_TURN", value_name = "URL", value_delimiter = ',')]
    turn: Option<Vec<TurnUrl>>,
    /// The file with that secret: coturn's static-auth-secret
    #[arg(long, env = "BSS_TURN_SECRET", value_name = "FILE")]
    turn_secret: Option<PathBuf>,
    /// Tell whoever runs the proxy at this address what there is, such as 127.0.0.1:9090: http://127.0.0.1:9090/admin, and its metrics at /metrics
    #[arg(long, env = "BSS_ADMIN", value_name = "ADDRESS:PORT")]
    admin: Option<Bind>,
    /// Let who asks there from this machine without a token change something: end streams, close sessions, release names
    #[arg(long, env = "BSS_ADMIN_ACTIONS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(hide_possible_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    admin_actions: Option<bool>,
    /// How to log: pretty for people, json for programs [default: pretty]; what is logged, RUST_LOG says
    #[arg(long, env = "BSS_LOG_FORMAT", value_name = "pretty|json")]
    log_format: Option<LogFormat>,
    /// Speak TLS with a certificate that bss makes and keeps: browsers warn once, and phones have all that they have on localhost; `off` is none
    #[arg(long, env = "BSS_TLS", value_name = "self-signed")]
    tls: Option<tls::Mode>,
    /// Keep the self-signed certificate and its key in this folder [default: $STATE_DIRECTORY, which systemd sets, else browser-stream-server in ~/.local/state]
    #[arg(long, env = "BSS_TLS_DIR", value_name = "FOLDER")]
    tls_dir: Option<PathBuf>,
    /// Speak TLS with the certificate of this PEM file, those that vouch for it behind it; read again when it changes
    #[arg(long, env = "BSS_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate, PEM as well
    #[arg(long, env = "BSS_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    #[cfg(feature = "acme")]
    #[command(flatten)]
    acme: super::acme::Said,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    cluster: super::cluster::Said,
    /// Read settings from this TOML file; its keys are those of --print-config, and files that it names lie beside it unless they begin with a slash
    #[arg(long, env = "BSS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings as they are in effect, as TOML, and end
    #[arg(long)]
    print_config: bool,
    /// Check the settings, and the files that they name, and end
    #[arg(long, conflicts_with = "print_config")]
    check: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Start {
    /// To serve.
    Serve(Box<Config>),
    /// To say whether it could serve.
    Check(Box<Config>),
    /// To print this text and end.
    Print(String),
}

impl Serve {
    /// Puts all layers together and checks the whole.
    pub fn start(self) -> Result<Start, ConfigError> {
        let (print, check) = (self.print_config, self.check);
        let config = self.config()?;
        Ok(match (print, check) {
            (true, _) => Start::Print(config.to_toml()),
            (_, true) => Start::Check(Box::new(config)),
            _ => Start::Serve(Box::new(config)),
        })
    }

    fn config(self) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        if let Some(path) = &self.config {
            file::read(path, &mut config)?;
        }
        let said = tls::Said {
            mode: self.tls,
            certificate: self.tls_cert,
            key: self.tls_key,
            folder: self.tls_dir,
            #[cfg(feature = "acme")]
            acme: self.acme,
        };
        let Config {
            bind,
            path,
            public_url,
            allow_origin,
            prefix,
            open,
            tokens,
            token_audience,
            token_revoked,
            anonymous_rights,
            list_names,
            http_host,
            http_path,
            trusted_proxies,
            lease_key,
            stun,
            #[cfg(feature = "webtransport")]
            webtransport,
            turn,
            turn_secret,
            admin,
            admin_actions,
            log_format,
            tls,
            #[cfg(feature = "cluster")]
            cluster,
            limits,
        } = config;
        let config = Config {
            bind: self.bind.map_or(bind, |Bind(address)| address),
            path: self.path.unwrap_or(path),
            public_url: self.public_url.or(public_url),
            allow_origin: self.allow_origin.unwrap_or(allow_origin),
            prefix: self.prefix.unwrap_or(prefix),
            open: self.open.unwrap_or(open),
            tokens: self.tokens.or(tokens),
            token_audience: self.token_audience.or(token_audience),
            token_revoked: self.token_revoked.or(token_revoked),
            anonymous_rights: self.anonymous_rights.unwrap_or(anonymous_rights),
            list_names: self.list_names.or(list_names),
            http_host: self.http_host.or(http_host),
            http_path: self.http_path.unwrap_or(http_path),
            trusted_proxies: self.trusted_proxies.unwrap_or(trusted_proxies),
            lease_key: self.lease_key.or(lease_key),
            stun: self.stun.map(|Bind(address)| address).or(stun),
            #[cfg(feature = "webtransport")]
            webtransport: self.webtransport.or(webtransport),
            admin: self.admin.map(|Bind(address)| address).or(admin),
            admin_actions: self.admin_actions.unwrap_or(admin_actions),
            log_format: self.log_format.unwrap_or(log_format),
            turn: self.turn.unwrap_or(turn),
            turn_secret: self.turn_secret.or(turn_secret),
            tls: said.tls()?.unwrap_or(tls),
            #[cfg(feature = "cluster")]
            cluster: self.cluster.cluster(cluster)?,
            limits,
        };
        config.check().map(|()| config)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    /// The command line with what clap would find in the environment left out: that is the machine's.
    fn args(line: &[&str]) -> Serve {
        Line::try_parse_from(["bss"].iter().chain(line)).expect("a command line").serve
    }

    fn refused(line: &[&str]) -> String {
        args(line).config().expect_err("a refusal").to_string()
    }

    #[test]
    fn without_a_word_the_defaults_hold() {
        let config = args(&[]).config().expect("a configuration");
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn names_are_listed_where_nobody_from_elsewhere_is_expected_unless_it_is_said() {
        for (line, lists) in [
            (&[][..], true),
            (&["--open"], false),
            (&["--public-url", "https://c/"], false),
            (&["--open", "--list-names"], true),
            (&["--list-names=no"], false),
            (&["--open", "--tokens", "keys.json"], true),
        ] {
            assert_eq!(args(line).config().expect("a configuration").lists_names(), lists, "{line:?}");
        }
    }

    #[test]
    fn tabs_have_hosts_of_their_own_on_this_machine_and_elsewhere_where_it_is_said() {
        for (line, hosts) in [
            (&[][..], &["*.localhost"][..]),
            (&["--open"], &[]),
            (&["--public-url", "https://c/"], &[]),
            (&["--open", "--http-host", "*.tabs.example,*.other.example"], &["*.tabs.example", "*.other.example"]),
        ] {
            let config = args(line).config().expect("a configuration");
            assert_eq!(config.http_hosts().iter().map(HttpHost::to_string).collect::<Vec<_>>(), hosts, "{line:?}");
        }
        for ours in [["--public-url", "https://bss.tabs.example"], ["--allow-origin", "https://app.tabs.example:8443"]] {
            let line = [&ours[..], &["--http-host", "*.tabs.example"]].concat();
            assert!(refused(&line).contains("tabs need hosts of their own"), "{line:?}");
        }
        let config = args(&["--allow-origin", "http://app.localhost:3000"]).config().expect("a configuration");
        assert!(config.http_hosts().is_empty(), "nobody asked for them");
    }

    #[test]
    fn a_list_is_given_by_repeating() {
        let config = args(&[
            "--allow-origin",
            "http://a",
            "--allow-origin",
            "https://b:1",
            "--prefix",
            "/x",
            "--public-url",
            "https://c/",
            "--trusted-proxies",
            "10.0.0.0/8,::1",
        ]);
        let config = config.config().expect("a configuration");
        assert_eq!(config.allow_origin.iter().map(Origin::to_string).collect::<Vec<_>>(), ["http://a", "https://b:1"]);
        assert_eq!(config.prefix.iter().map(RoutePath::as_str).collect::<Vec<_>>(), ["/x"]);
        assert_eq!(config.trusted_proxies.iter().map(Network::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1"]);
        assert_eq!(config.public_url.map(|url| url.to_string()).as_deref(), Some("https://c"));
    }

    #[test]
    fn threat_14_listening_beyond_this_machine_needs_open_or_tokens() {
        for beyond in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "[::ffff:10.0.0.1]:80"] {
            let said = refused(&["--bind", beyond]);
            assert!(said.contains("--open") && said.contains("--tokens"), "{said}");
            assert!(args(&["--bind", beyond, "--tokens", "keys.json"]).config().is_ok());
            assert!(args(&["--bind", beyond, "--open"]).config().is_ok());
            assert!(args(&["--bind", beyond, "--open=false"]).config().is_err());
        }
        for here in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80"] {
            assert!(args(&["--bind", here]).config().is_ok(), "{here}");
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert!(refused(&["--prefix", "/a", "--prefix", "/a"]).contains("twice"));
        assert!(refused(&["--prefix", "/session"]).contains("/session"));
        for taken in
            ["/healthz", "/readyz", "/browser-stream-server.js", "/index.html", "/style.css", "/examples", "/examples/echo/main.js"]
        {
            assert!(refused(&["--path", taken]).contains(taken));
        }
        assert!(args(&["--path", "/examples-of-mine"]).config().is_ok());
        assert!(refused(&["--stun", "0.0.0.0:0"]).contains("port"));
        assert!(refused(&["--turn", "turn:t:3478"]).contains("--turn-secret"));
        assert!(refused(&["--turn-secret", "/a"]).contains("--turn"));
        assert!(args(&["--turn", "turn:t:3478", "--turn-secret", "/a", "--stun", "0.0.0.0:3478"]).config().is_ok());
        for alone in [["--token-audience", "a"], ["--token-revoked", "/a"], ["--anonymous-rights", "connect=*"]] {
            assert!(refused(&alone).contains("--tokens"));
        }
        assert!(refused(&["--admin-actions"]).contains("needs --admin"));
        assert!(args(&["--admin-actions", "--admin", "127.0.0.1:9090"]).config().is_ok());
        assert!(refused(&["--config", "/nowhere/at/all.toml"]).contains("cannot read"));
    }
}
