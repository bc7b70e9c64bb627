//! What the nodes of a model did, and the program that judges it.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::cluster::{Place, Time};

/// One process of the model: a node that is started again is another.
pub(super) type Process = usize;

/// What was recorded, in the order of true time.
#[derive(Clone, Debug)]
pub(super) enum Noted {
    /// The process may serve what it has until then.
    Serves(Process, Time),
    /// It has that name for that life of a server.
    Up(Process, Place, Uuid),
    Down(Process, Place),
    /// It has nothing any more.
    Ended(Process),
}

/// Two that could both be reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Both {
    pub at: Time,
    pub place: Place,
    pub processes: [Process; 2],
    pub instances: [Uuid; 2],
}

/// Looks for a moment at which two servers had one name, each at a node that served it.
pub(super) fn judge(history: &[(Time, Noted)]) -> Option<Both> {
    let mut until: BTreeMap<Process, Time> = BTreeMap::new();
    let mut held: BTreeMap<(Place, Process), Uuid> = BTreeMap::new();
    for (at, noted) in history {
        let begins = match noted {
            Noted::Serves(process, end) => {
                until.insert(*process, *end);
                *process
            }
            Noted::Up(process, place, instance) => {
                held.insert((place.clone(), *process), *instance);
                *process
            }
            Noted::Down(process, place) => {
                held.remove(&(place.clone(), *process));
                continue;
            }
            Noted::Ended(process) => {
                held.retain(|(_, holder), _| holder != process);
                continue;
            }
        };
        let serves = |process: &Process| until.get(process).is_some_and(|until| until > at);
        if !serves(&begins) {
            continue;
        }
        for ((place, _), instance) in held.iter().filter(|((_, process), _)| *process == begins) {
            let others = held.iter().filter(|((of, process), other)| of == place && *process != begins && *other != instance);
            if let Some(((_, other), theirs)) = others.into_iter().find(|((_, process), _)| serves(process)) {
                return Some(Both { at: *at, place: place.clone(), processes: [begins, *other], instances: [*instance, *theirs] });
            }
        }
    }
    None
}

#[test]
fn the_judge_finds_two_servers_of_one_name_and_takes_one_that_has_stopped_for_none() {
    let second = |seconds| Time::from_secs(seconds);
    let place = Place { prefix: "/p".into(), name: "n".into() };
    let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let story = |until, bobs| {
        [
            (second(0), Noted::Serves(0, second(until))),
            (second(1), Noted::Up(0, place.clone(), ann)),
            (second(2), Noted::Serves(1, second(90))),
            (second(10), Noted::Up(1, place.clone(), bobs)),
        ]
    };
    let both = Both { at: second(10), place: place.clone(), processes: [1, 0], instances: [bob, ann] };
    assert_eq!(judge(&story(11, bob)), Some(both));
    assert_eq!(judge(&story(10, bob)), None, "the first has stopped by then");
    assert_eq!(judge(&story(11, ann)), None, "it is the same server");
    let mut late = story(10, bob).to_vec();
    late.push((second(20), Noted::Serves(0, second(30))));
    assert!(judge(&late).is_some(), "it goes on with what it has lost");
    late.insert(3, (second(9), Noted::Down(0, place)));
    assert_eq!(judge(&late), None);
}
