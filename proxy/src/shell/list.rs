//! `bss ls`: which names there are.

use std::{collections::BTreeMap, time::Duration};

use browser_stream_client::{Held, Names, Presence};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Failure, Proxy,
    standard::{print, say},
};

/// What `bss ls` is told.
#[derive(Debug, Args)]
pub struct List {
    /// As JSON: an array of {"name", "state"}; with --watch one object on a line
    #[arg(long)]
    json: bool,
    /// Say of each name whether it is up or suspended
    #[arg(short, long, conflicts_with = "json")]
    long: bool,
    /// Go on, and tell what changes: a name is up, suspended or gone
    #[arg(short, long)]
    watch: bool,
}

/// Between two looks: the proxy is asked anew for each.
const LOOK: Duration = Duration::from_secs(1);

impl List {
    pub async fn run(self, proxy: &Proxy) -> Result<(), Failure> {
        let client = proxy.client();
        let names = || async { client.names().await.map_err(|error| Failure::connect("ls", &error)) };
        let Names { held, is_all, .. } = names().await?;
        if !is_all {
            say("limit: there are more names than the proxy tells");
        }
        if !self.watch {
            return print(&self.whole(&held)).await;
        }
        let mut known = BTreeMap::new();
        self.tell(&mut known, held).await?;
        loop {
            sleep(LOOK).await;
            self.tell(&mut known, names().await?.held).await?;
        }
    }

    fn whole(&self, held: &[Held]) -> String {
        if self.json {
            let all: Vec<Value> = held.iter().map(|held| object(&held.name, &held.presence.to_string())).collect();
            return format!("{}\n", Value::Array(all));
        }
        let line = |held: &Held| if self.long { format!("{}\t{}\n", held.presence, held.name) } else { format!("{}\n", held.name) };
        held.iter().map(line).collect()
    }

    /// Tells what is not as it was known.
    async fn tell(&self, known: &mut BTreeMap<String, Presence>, held: Vec<Held>) -> Result<(), Failure> {
        let now: BTreeMap<String, Presence> = held.into_iter().map(|held| (held.name, held.presence)).collect();
        let gone = known.keys().filter(|name| !now.contains_key(*name)).map(|name| self.line(name, "gone"));
        let changed = now.iter().filter(|(name, presence)| known.get(*name) != Some(presence));
        let changed = changed.map(|(name, presence)| self.line(name, &presence.to_string()));
        let text: String = gone.chain(changed).collect();
        *known = now;
        if text.is_empty() { Ok(()) } else { print(&text).await }
    }

    fn line(&self, name: &str, state: &str) -> String {
        if self.json { format!("{}\n", object(name, state)) } else { format!("{state}\t{name}\n") }
    }
}

fn object(name: &str, state: &str) -> Value {
    json!({ "name": name, "state": state })
}
