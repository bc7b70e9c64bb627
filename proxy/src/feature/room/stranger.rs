//! Members of a room that have their seats at other nodes.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::MemberInfo;

/// A member at another node, as this one knows it.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "without a cluster nobody is elsewhere"))]
#[derive(Debug)]
pub(super) struct Stranger {
    /// The node that has its seat; it is elsewhere.
    pub node: Uuid,
    /// Of the nodes at which it has come, that has it where this is highest.
    pub turn: u64,
    pub info: MemberInfo,
    /// Who it is, as members are told.
    pub who: Bytes,
}

/// Members at other nodes, by the numbers that they have here.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeMap<u32, Stranger>);

impl Strangers {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Those whose connections are there.
    pub fn live(&self) -> usize {
        self.0.values().filter(|stranger| stranger.info.is_live).count()
    }

    pub fn has(&self, number: u32) -> bool {
        self.0.contains_key(&number)
    }

    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    /// The number of the one with that id.
    pub fn number_of(&self, id: Uuid) -> Option<u32> {
        self.iter().find(|(_, stranger)| stranger.info.id == id).map(|(number, _)| number)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Stranger)> {
        self.0.iter().map(|(&number, stranger)| (number, stranger))
    }
}

#[cfg(feature = "cluster")]
impl Strangers {
    pub fn get(&self, number: u32) -> Option<&Stranger> {
        self.0.get(&number)
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut Stranger> {
        self.0.get_mut(&number)
    }

    pub fn insert(&mut self, number: u32, stranger: Stranger) {
        self.0.insert(number, stranger);
    }

    pub fn remove(&mut self, number: u32) -> Option<Stranger> {
        self.0.remove(&number)
    }

    /// The ids of those who are among these.
    pub fn ids(&self, numbers: &[u32]) -> Vec<Uuid> {
        numbers.iter().filter_map(|&number| self.get(number)).map(|stranger| stranger.info.id).collect()
    }

    /// The numbers of those at a node.
    pub fn of(&self, node: Uuid) -> Vec<u32> {
        self.iter().filter(|(_, stranger)| stranger.node == node).map(|(number, _)| number).collect()
    }
}
