//! `bss admin`: what there is at a proxy, and what may be done about it, by the API of the port for whoever runs it.

mod api;
mod short;
mod show;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::{
    api::{Api, segment},
    show::Shape,
};
use super::{
    Failure,
    escape::escaped,
    shown::Shown,
    standard::{print, say},
    trust::Fingerprint,
};

/// What `bss admin` is told.
#[derive(Debug, Args)]
pub struct Admin {
    /// Where it is: what `bss serve --admin` was given, or http://… or https://…; beyond this machine https where a token is shown
    #[arg(value_name = "ADDRESS")]
    url: String,
    #[command(subcommand)]
    task: Task,
    /// As JSON, as the API has it
    #[arg(long, global = true)]
    json: bool,
    /// Of this node of a cluster alone, by the beginning of its id (4 digits at least) or its address, or self; without it of all nodes, and drain of the one at ADDRESS
    #[arg(long, global = true, value_name = "NODE")]
    node: Option<String>,
    /// Show this token, or the one in @FILE: its right is admin=read, and admin=act to change something; better there or in the environment, where no other user reads it
    #[arg(long, global = true, env = "BSS_TOKEN", value_name = "TOKEN|@FILE", hide_env_values = true)]
    token: Option<Shown>,
    /// Over TLS, trust the certificates of this PEM file instead of those that browsers trust
    #[arg(long, global = true, env = "BSS_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Over TLS, trust the certificate with this SHA-256 and no other: what `bss serve --tls self-signed` prints
    #[arg(long, global = true, env = "BSS_FINGERPRINT", value_name = "SHA-256", conflicts_with = "ca")]
    fingerprint: Option<Fingerprint>,
}

/// What its help says at its end.
pub const HELP: &str = "\
From the machine of the proxy everything may be read, and changed where it was started with --admin-actions; from elsewhere it takes a token
with the right admin=read, or admin=act, which then goes over https unless the address says http://. A name is the one that listeners have, or with its prefix in front where there are several.

  bss admin 127.0.0.1:9090 overview                the proxy in a few numbers
  bss admin 127.0.0.1:9090 sessions --search 10.0. who is connected from there
  bss admin 127.0.0.1:9090 names --json | jq -r '.[].key'
                                                   for programs
  bss admin 127.0.0.1:9090 drain --node 0123abcd   another node of its cluster, as overview has them
  bss admin https://bss.example:9090 --token @admin.token drain --deadline 60";

/// Which rows of a list.
#[derive(Debug, Args)]
struct Which {
    /// Only rows in which this is found
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// The proxy in a few numbers
    Overview,
    /// The peers that are connected
    Sessions(Which),
    /// The names that are not free
    Names(Which),
    /// The streams, and their ends
    Streams(Which),
    /// The channels
    Channels(Which),
    /// The rooms
    Rooms(Which),
    /// The members of a room
    Members {
        room: String,
        #[command(flatten)]
        which: Which,
    },
    /// What happened last
    Events(Which),
    /// End a stream, by its id, of which the beginning is enough where no other has it: 0123abcd:5
    Reset { stream: String },
    /// Close a session, by its id or the beginning of that: its peer may come back
    Close { session: String },
    /// Take a name from whoever has it
    Release { name: String },
    /// Keep a name, so that nobody gets it until the proxy ends; who has it keeps it
    Reserve { name: String },
    /// Give a reserved name free
    Unreserve { name: String },
    /// Send an event to all members of a room
    Emit {
        room: String,
        event: String,
        /// Its arguments, each as JSON
        #[arg(value_parser = argument)]
        args: Vec<Value>,
    },
    /// Move a member to another room, which may be new
    Move { room: String, member: String, to: String },
    /// Remove a member from a room
    Remove { room: String, member: String },
    /// Have the proxy go down, as SIGTERM does
    Drain {
        /// Close what is left after so long; without it, after the drain_timeout that the proxy was set to
        #[arg(long, value_name = "SECONDS")]
        deadline: Option<u32>,
    },
}

impl Admin {
    /// Does it.
    pub fn run(self) -> ExitCode {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return Failure::local("the runtime", &error).exit(),
        };
        let advice = self.token.as_ref().map_or("", Shown::advice);
        match runtime.block_on(self.perform()).map_err(|failure| failure.of_token(advice)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.exit(),
        }
    }

    async fn perform(self) -> Result<(), Failure> {
        let mut api = Api::dial(&self.url, self.token.as_ref(), (self.ca.as_deref(), self.fingerprint), self.node).await?;
        let text = match self.task {
            Task::Overview => show::overview(&api.get("overview").await?, self.json),
            Task::Events(which) => show::rows(&api.list("events", which.search.as_deref()).await?, show::EVENTS, self.json),
            Task::Sessions(which) => listed(&mut api, "sessions", &which, show::SESSIONS, self.json).await?,
            Task::Names(which) => listed(&mut api, "names", &which, show::NAMES, self.json).await?,
            Task::Streams(which) => listed(&mut api, "streams", &which, show::STREAMS, self.json).await?,
            Task::Channels(which) => listed(&mut api, "channels", &which, show::CHANNELS, self.json).await?,
            Task::Rooms(which) => listed(&mut api, "rooms", &which, show::ROOMS, self.json).await?,
            Task::Members { room, which } => {
                listed(&mut api, &format!("rooms/{}/members", segment(&room)), &which, show::MEMBERS, self.json).await?
            }
            act => {
                let (method, path, body) = act.with_whole_ids(&mut api).await?.request();
                api.act(method, &path, &body).await?;
                String::new()
            }
        };
        print(&text).await?;
        for node in &api.missing {
            say(&format!("the node {} did not answer in time: its rows are not here", escaped(node)));
        }
        Ok(())
    }
}

async fn listed(api: &mut Api, path: &str, which: &Which, shape: Shape, as_json: bool) -> Result<String, Failure> {
    Ok(show::rows(&api.list(path, which.search.as_deref()).await?, shape, as_json))
}

impl Task {
    /// The same with ids in full, where they were only begun.
    async fn with_whole_ids(self, api: &mut Api) -> Result<Self, Failure> {
        Ok(match self {
            Self::Reset { stream } => Self::Reset { stream: short::whole(api, "streams", stream).await? },
            Self::Close { session } => Self::Close { session: short::whole(api, "sessions", session).await? },
            Self::Move { room, member, to } => {
                let member = short::whole(api, &format!("rooms/{}/members", segment(&room)), member).await?;
                Self::Move { room, member, to }
            }
            Self::Remove { room, member } => {
                let member = short::whole(api, &format!("rooms/{}/members", segment(&room)), member).await?;
                Self::Remove { room, member }
            }
            other => other,
        })
    }

    /// What is asked for, of a task that does something.
    fn request(self) -> (&'static str, String, Value) {
        let none = json!({});
        match self {
            Self::Reset { stream } => ("DELETE", format!("streams/{}", segment(&stream)), none),
            Self::Close { session } => ("DELETE", format!("sessions/{}", segment(&session)), none),
            Self::Release { name } => ("DELETE", format!("names/{}", segment(&name)), none),
            Self::Reserve { name } => ("PUT", format!("reserved/{}", segment(&name)), none),
            Self::Unreserve { name } => ("DELETE", format!("reserved/{}", segment(&name)), none),
            Self::Emit { room, event, args } => ("POST", format!("rooms/{}/emit", segment(&room)), json!({ "event": event, "args": args })),
            Self::Move { room, member, to } => {
                ("PUT", format!("rooms/{}/members/{}", segment(&room), segment(&member)), json!({ "room": to }))
            }
            Self::Remove { room, member } => ("DELETE", format!("rooms/{}/members/{}", segment(&room), segment(&member)), none),
            Self::Drain { deadline } => ("POST", "drain".to_owned(), deadline.map_or(none, |deadline| json!({ "deadline_s": deadline }))),
            // The others only read: this is what says least.
            _ => ("GET", "me".to_owned(), none),
        }
    }
}

fn argument(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}; text needs quotes of its own: '\"text\"'"))
}
