//! Hearing one subject for as long as there is somebody who wants to: what others say there, who comes and goes, and when to say something.

use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep_until},
};

use super::{Heard, Lane, Mail, News, Post, Subject, Word};

/// Who says something on a lane, and hears what others say on theirs.
pub(crate) trait Listener<S, W> {
    /// It is to say all that holds here; with `asks` the others are to do the same.
    fn tell_all(&self, asks: bool);

    /// What another says, or that it is gone.
    fn hear(&self, heard: Heard<S, W>);
}

/// Hears that subject until there is no `listener` any more.
pub(crate) async fn listen<S, W, L>(post: &Post, subject: &Subject, lane: &Mutex<Lane<S, W>>, listener: impl Fn() -> Option<L>)
where
    S: Serialize + DeserializeOwned,
    W: Serialize + DeserializeOwned + Word,
    L: Listener<S, W>,
{
    let (mut mail, mut news) = (post.bus().listen(subject), post.news());
    let mut pulse_at = Instant::now() + PULSE;
    loop {
        tokio::select! {
            mail = mail.next() => {
                let (Some(listener), Some(mail)) = (listener(), mail) else { return };
                match mail {
                    Mail::Listening => listener.tell_all(true),
                    Mail::Parcel(parcel) => {
                        let hearing = lane.lock().take(parcel);
                        if hearing.is_asked {
                            listener.tell_all(false);
                        }
                        hearing.heard.into_iter().for_each(|heard| listener.hear(heard));
                    }
                }
            }
            news = news.recv() => {
                let Some(listener) = listener() else { return };
                match news {
                    Ok(News::Came(_)) | Err(RecvError::Lagged(_)) => listener.tell_all(true),
                    Ok(News::Gone(node)) => {
                        lane.lock().forget(node);
                        listener.hear(Heard::Gone { from: node });
                    }
                    Err(RecvError::Closed) => return,
                }
            }
            () = sleep_until(pulse_at) => {
                if listener().is_none() {
                    return;
                }
                lane.lock().pulse();
                pulse_at = Instant::now() + PULSE;
            }
        }
    }
}

/// How often it is looked whether something was missed behind which nothing was said.
const PULSE: Duration = Duration::from_secs(4);
