//! Who is in a room, and what they wait for.

use std::sync::Arc;

use tokio::time::Instant;

use super::{asks::Asks, seat::Place, stranger::Strangers};

/// Who is here.
#[derive(Default)]
pub(super) struct State {
    /// In the order of their numbers.
    pub places: Vec<Place>,
    /// Who is here at other nodes.
    pub strangers: Strangers,
    pub last: u32,
    pub asks: Asks,
    /// The numbers of all, made when they are needed.
    pub everybody: Option<Arc<[u32]>>,
    pub is_over: bool,
    #[cfg(feature = "cluster")]
    pub abroad: Option<super::abroad::Abroad>,
}

impl State {
    pub fn place(&self, number: u32) -> Option<&Place> {
        self.index(number).and_then(|index| self.places.get(index))
    }

    pub fn place_mut(&mut self, number: u32) -> Option<&mut Place> {
        self.index(number).and_then(|index| self.places.get_mut(index))
    }

    pub fn index(&self, number: u32) -> Option<usize> {
        self.places.binary_search_by_key(&number, Place::number).ok()
    }

    /// Gives one a place, among those of the others by its number.
    pub fn seat(&mut self, place: Place) {
        let at = self.places.partition_point(|other| other.number() < place.number());
        self.places.insert(at, place);
    }

    /// The numbers of all who are here.
    pub fn everybody(&mut self) -> Arc<[u32]> {
        if let Some(everybody) = &self.everybody {
            return everybody.clone();
        }
        let everybody: Arc<[u32]> = self.numbers().into();
        self.everybody.insert(everybody).clone()
    }

    /// The numbers of all who are here, wherever they are, in order.
    pub fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.places.iter().map(Place::number).chain(self.strangers.numbers()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether somebody with that number is here, wherever that is.
    pub fn has(&self, number: u32) -> bool {
        self.index(number).is_some() || self.strangers.has(number)
    }

    pub fn due(&self) -> Option<Instant> {
        let away = self.places.iter().filter_map(|place| place.away.as_ref()).map(|away| away.until).min();
        away.into_iter().chain(self.asks.due()).min()
    }
}
