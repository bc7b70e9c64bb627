//! `bss`: the proxy as a program, and names from the shell. Wires the parts and does nothing else.

mod shell;

use std::{process::ExitCode, sync::Arc, time::Duration};

use browser_stream_protocol::swarm::SWARM_PREFIX;
use browser_stream_server::{
    Config, IceServers, LeaseKey, Proxy, StreamRouter, StreamServerProxy, TurnServer, config::Serve, config::Start, config::Tls,
    tls::Identity, token::JwtAuthorizer,
};
use shell::{Args, Client, Command, Hangup, Task, service};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let Args { command, serve } = Args::read();
    match command {
        None => start(*serve),
        Some(Command::Serve(serve)) => start(*serve),
        Some(Command::Connect(Client { task, far })) => shell::run(&far, Task::Connect(task)),
        Some(Command::Listen(Client { task, far })) => shell::run(&far, Task::Listen(task)),
        Some(Command::Forward(Client { task, far })) => shell::run(&far, Task::Forward(task)),
        Some(Command::Ls(Client { task, far })) => shell::run(&far, Task::List(task)),
        Some(Command::Keygen(keygen)) => keygen.run(),
        Some(Command::Token(token)) => token.run(),
        Some(Command::Trace(trace)) => trace.run(),
        Some(Command::Admin(admin)) => admin.run(),
        Some(Command::Completions(completions)) => completions.run(),
        Some(Command::Man(page)) => page.run(),
        Some(Command::Send(Client { task, far })) => shell::run(&far, Task::Send(task)),
        Some(Command::Seed(client)) => shell::seed(client),
        Some(Command::Recv(client)) => {
            let (far, task) = client.invited();
            shell::run(&far, task)
        }
    }
}

fn start(serve: Serve) -> ExitCode {
    if let Some(error) = shell::unheard(|name| std::env::var_os(name)) {
        eprintln!("bss: {error}");
        return ExitCode::from(2);
    }
    let (code, error) = match serve.start() {
        Ok(Start::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Start::Check(config)) => match check(&config) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (2, error.to_string()),
        },
        Ok(Start::Serve(config)) => match secrets(&config) {
            Ok(secrets) => match self::serve(*config, secrets) {
                Ok(()) => return ExitCode::SUCCESS,
                #[cfg(feature = "cluster")]
                Err(error) if shell::is_of_settings(&error) => (2, error.to_string()),
                Err(error) => (1, format!("{error:#}")),
            },
            Err(error) => (2, error.to_string()),
        },
        Err(error) => (2, error.to_string()),
    };
    eprintln!("bss: {error}");
    ExitCode::from(code)
}

/// Reads what `serve` would read, and makes nothing.
fn check(config: &Config) -> anyhow::Result<()> {
    if let Some(path) = config.lease_key.as_deref().filter(|path| path.exists()) {
        LeaseKey::read_or_make(path)?;
    }
    if let Some(tls @ Tls::Files { .. }) = &config.tls {
        shell::identity(tls, config)?;
    }
    shell::authorizer(config)?;
    ice(config)?;
    #[cfg(feature = "cluster")]
    config.cluster.as_ref().map(shell::membership).transpose()?;
    for doubt in config.doubts() {
        eprintln!("bss: {doubt}");
    }
    println!("the settings can be used");
    Ok(())
}

/// What is read from files that nobody else may read, or made.
struct Secrets {
    lease_key: LeaseKey,
    identity: Option<Identity>,
    authorizer: Option<JwtAuthorizer>,
    ice: IceServers,
    #[cfg(feature = "cluster")]
    membership: Option<shell::Membership>,
}

fn secrets(config: &Config) -> anyhow::Result<Secrets> {
    #[cfg(feature = "cluster")]
    let membership = config.cluster.as_ref().map(shell::membership).transpose()?;
    let lease_key = config.lease_key.as_deref().map(LeaseKey::read_or_make).transpose()?;
    #[cfg(feature = "cluster")]
    let lease_key = lease_key.or_else(|| membership.as_ref().map(shell::Membership::lease_key));
    let lease_key = lease_key.unwrap_or_else(LeaseKey::random);
    let identity = config.tls.as_ref().map(|tls| shell::identity(tls, config)).transpose()?;
    Ok(Secrets {
        lease_key,
        identity,
        authorizer: shell::authorizer(config)?,
        ice: ice(config)?,
        #[cfg(feature = "cluster")]
        membership,
    })
}

#[tokio::main]
async fn serve(config: Config, secrets: Secrets) -> anyhow::Result<()> {
    let Secrets { lease_key, identity, authorizer, ice, .. } = secrets;
    shell::log(config.log_format);
    for doubt in config.doubts() {
        tracing::warn!("{doubt}");
    }
    let limits = Arc::new(config.limits.clone());
    let public = config.public_url.as_ref().map(ToString::to_string);
    let mut router = StreamRouter::new();
    for prefix in &config.prefix {
        let names = StreamServerProxy::with_lease_key(prefix.as_str(), limits.clone(), lease_key.clone());
        names.list_names(config.lists_names());
        router = router.mount(names);
    }
    let mut router = router.route("/ice", ice);
    if config.prefix.iter().all(|prefix| prefix.as_str() != SWARM_PREFIX) {
        // Its peers have their names back after a restart, as others have.
        router = router.mount(StreamServerProxy::with_lease_key(SWARM_PREFIX, limits.clone(), lease_key.clone()));
    }
    let mut proxy = match identity.clone() {
        Some(identity) => Proxy::with_tls(config, router, identity),
        None => Proxy::new(config, router),
    };
    if let Some(authorizer) = authorizer {
        proxy = proxy.with_authorizer(authorizer.clone());
        tokio::spawn(shell::keep_fresh(proxy.clone(), authorizer)?);
    }
    #[cfg(feature = "cluster")]
    let joined = match secrets.membership {
        Some(membership) => Some(membership.join(&proxy, &lease_key).await?),
        None => None,
    };
    let listener = proxy.listen().await?;
    if let Some(socket) = proxy.listen_stun().await? {
        let proxy = proxy.clone();
        tokio::spawn(async move { proxy.serve_stun(socket).await });
    }
    if let Some(listener) = proxy.listen_admin().await? {
        let url = proxy.admin_url(&listener)?;
        tracing::info!("metrics at {url}, and what there is at {}/admin", url.trim_end_matches("/metrics"));
        let proxy = proxy.clone();
        tokio::spawn(async move { proxy.serve_admin(listener).await });
    }
    #[cfg(feature = "webtransport")]
    if let Some(socket) = proxy.listen_webtransport(&listener)? {
        let proxy = proxy.clone();
        tokio::spawn(async move { proxy.serve_webtransport(socket).await });
    }
    let stop = signalled(Hangup::listen(identity.clone())?)?;
    shell::welcome(&proxy.url(&listener)?, listener.local_addr()?, public, identity.as_ref())?;
    tokio::spawn(service::live());
    service::ready();
    let stop = async {
        #[cfg(feature = "cluster")]
        shell::or_unfit(stop, joined.as_ref()).await;
        #[cfg(not(feature = "cluster"))]
        stop.await;
        service::stopping();
        tracing::info!("{}", ending(proxy.sessions().held_up(), limits.drain_timeout));
    };
    proxy.serve_until(listener, stop).await?;
    #[cfg(feature = "cluster")]
    joined.as_ref().map_or(Ok(()), shell::Joined::verdict)?;
    Ok(())
}

/// The servers that help pages to a direct connection.
fn ice(config: &Config) -> anyhow::Result<IceServers> {
    let mut servers = IceServers::new();
    if let Some(stun) = config.stun {
        servers = servers.stun(stun.port());
    }
    let Some(path) = &config.turn_secret else { return Ok(servers) };
    let secret = std::fs::read_to_string(path).map_err(|error| {
        anyhow::anyhow!("cannot read the secret {path:?}: {error}; check the path given by --turn-secret, and whose file it is")
    })?;
    let urls = config.turn.iter().map(ToString::to_string).collect();
    Ok(servers.turn(TurnServer { urls, secret: secret.trim().to_owned(), lifetime: TURN_LOGIN }))
}

/// A login outlives a long call, and is worth nothing the day after; it holds no longer than the token of who has it.
const TURN_LOGIN: Duration = Duration::from_secs(12 * 3600);

/// What somebody who ended it is told, who may wonder why it is still there.
fn ending(held_up: usize, most: Duration) -> String {
    match held_up {
        0 => "ending".to_owned(),
        _ => {
            let peers = if held_up == 1 { "peer" } else { "peers" };
            format!("ending: waiting up to {} s for the streams of {held_up} {peers}; Ctrl-C again to end now", most.as_secs())
        }
    }
}

/// Resolves at the first SIGINT or SIGTERM, or when the terminal is gone; the second ends the process at once.
fn signalled(mut hangup: Hangup) -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut next = async move || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, () = hangup.of_terminal() => {} };
    Ok(async move {
        next().await;
        tokio::spawn(async move {
            next().await;
            std::process::exit(130);
        });
    })
}
